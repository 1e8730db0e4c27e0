"""Active people by region and day in memory: what answers about coverage are made of, unless they ask what was known.

It follows its table: at every look at how far the answers have come, after their position was read, what was written
since is taken in. So an answer from here holds at least what the position that it states says, as one from the table
does. Where rows changed otherwise (a repair, a rebuild's tables, a table emptied) or more was written than is worth
taking in, all is dropped and read anew. What is not here is asked of the table.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from events import regions
from events.regions import LEVELS
from projections import answers, blocks, lines
from projections.base import EPOCH
from projections.blocks import Table, Tables
from projections.clickhouse import Database
from projections.errors import DatabaseError
from projections.lines import LAST_DAY, Line

TABLE = "coverage_day"
MOST_FRESH = 500_000  # days taken in at a look, 3 s of work; for more, all is read anew
MOST_AT_ONCE = 20  # regions that a question reads into memory; of more it asks the table for the sums
LOAD_ROWS = 100_000  # read at once while the memory is filled
LOAD_REGIONS = 1_000
ROOM_BYTES = 8 << 20  # that is left to what is asked for
LOAD_SHARE = 0.5  # of the time, so that answers are not held up
TEND_SECONDS = 2.0  # between two looks while nobody asks
MOST_TEND_SECONDS = 60.0  # while all is dropped again and again: a worker is behind
TRIES = 3


@dataclass(eq=False)
class Load:
    """Regions being read, and those of them that were written to meanwhile: of these what was read may be too old.

    `codes` None: all.
    """

    codes: Set[int] | None
    spoilt: set[int] = field(default_factory=set)

    def spoil(self, written: Set[int]) -> None:
        self.spoilt |= written if self.codes is None else written & self.codes


class Memory:
    """Lines of regions, of at most so many bytes: those that were asked for lately stay. 0: nothing is held.

    Reading takes no lock: a request never waits for what is being written.
    """

    def __init__(self, database: Database, most_bytes: int) -> None:
        self._database = database
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._lines: dict[int, Line] = {}
        self._bytes = 0
        self._counted = lines.Counted()
        self._loads: set[Load] = set()
        self._seen = 0
        self._identity: object = None
        self._epoch = 0  # counts how often all was dropped
        self._filled = 0  # the epoch that was filled

    # What is asked.

    def active(self, codes: Sequence[int], as_of: dt.date) -> dict[int, int]:
        """Active people at the end of a day by region, see `answers.active_people`. Raises DatabaseError."""
        found, missing = self._held(codes, as_of)
        if not missing:
            return found
        if len(missing) > MOST_AT_ONCE or not self._most_bytes:
            return found | answers.active_people(self._database, missing, as_of)
        day = _number(as_of)
        people = {code: line.at(day) for code, line in self._load(missing, self._database)}
        return found | {code: count for code, count in people.items() if count is not None}

    def held(self, codes: Sequence[int], as_of: dt.date) -> dict[int, int] | None:
        """The same, without asking the table; None where some region is not here."""
        found, missing = self._held(codes, as_of)
        return None if missing else found

    def line(self, code: int) -> Line | None:
        """The line of a region, without asking the table; None where it is not here."""
        line = self._lines.get(code)
        if line is not None:
            line.used = True
        return line

    def history(self, code: int) -> lines.History | None:
        """All that ever changed in a region, likewise."""
        line = self.line(code)
        return None if line is None else line.history()

    def _held(self, codes: Sequence[int], as_of: dt.date) -> tuple[dict[int, int], list[int]]:
        day, held, found, missing = _number(as_of), self._lines, {}, []
        for code in codes:
            line = held.get(code)
            if line is None:
                missing.append(code)
                continue
            line.used = True
            people = line.at(day)
            if people is not None:
                found[code] = people
        return found, missing

    # How it follows the table.

    def follow(self, tables: Tables | None = None) -> None:
        """Take in what was written to the table so far, or until `tables` were looked at. Call it after the position
        was read. Raises DatabaseError.
        """
        if not self._most_bytes:
            return
        for _ in range(TRIES):
            if tables is None or tables[TABLE].newest < self._seen:  # another look was faster
                tables = blocks.read(self._database, TABLE)
            if self._follow(tables[TABLE]):
                return
            tables = None
        self._drop(None, 0)  # all is new to who comes next

    def _follow(self, now: Table) -> bool:
        """Whether that went undisturbed by another that dropped all."""
        with self._lock:
            epoch, seen, identity, counted = self._epoch, self._seen, self._identity, self._counted
        if now.identity != identity or now.newest < seen:
            return self._drop(now.identity, now.newest, epoch)
        if now.newest == seen:
            return True
        rows = lines.fresh(self._database, seen, MOST_FRESH, counted)
        return self._drop(identity, now.newest, epoch) if rows is None else self._take_in(rows, now.newest, epoch)

    def _take_in(self, rows: lines.Fresh, newest: int, epoch: int) -> bool:
        written = {region for region, *_ in rows}
        with self._lock:
            if epoch != self._epoch:
                return False
            if newest <= self._seen:
                return True  # another look was faster, and saw as much
            for load in self._loads:
                load.spoil(written)
            self._counted = self._counted.after(rows)
            for region, day, _, change, *moves in rows:
                if (line := self._lines.get(region)) is not None:
                    self._bytes += line.put(day, change, (moves[0], moves[1], moves[2]))
            self._seen = newest
            self._make_room()
            return True

    def _drop(self, identity: object, newest: int, epoch: int | None = None) -> bool:
        with self._lock:
            if epoch not in (None, self._epoch):
                return False
            self._epoch += 1
            # Another dictionary: who reads the old one goes on with what was right a moment ago.
            self._lines, self._bytes, self._counted = {}, 0, lines.Counted()
            self._loads = set()
            self._seen, self._identity = newest, identity
            return True

    # How it is filled.

    def fill(self, stop: threading.Event) -> bool:
        """Read all regions, the larger ones first, as far as there is room, unless that was done. Raises DatabaseError.

        In parts, so that it takes a share of the time only and little memory at once. Returns False where it was given
        up, since all was dropped meanwhile.
        """
        with self._lock:
            epoch = self._epoch
            if not self._most_bytes or self._filled == epoch:
                return True
        leisurely = self._database.at_leisure()
        for part in self._parts(leisurely):
            begun = time.monotonic()
            with self._lock:
                missing = [code for code in part if code not in self._lines]
            self._load(missing, leisurely)
            if epoch != self._epoch or stop.wait((time.monotonic() - begun) * (1 - LOAD_SHARE) / LOAD_SHARE):
                return False
            if self._bytes > self._most_bytes - ROOM_BYTES:
                break
        gc.collect()
        gc.freeze()  # hundreds of thousands of objects that stay: a collection would walk them while requests wait
        self._filled = epoch
        return True

    def _parts(self, database: Database) -> Iterator[list[int]]:
        """All regions of the register from the nation down, in parts of so many rows. The silent ones are held."""
        load = self._begin(None)
        days = lines.sizes(database)
        order = [each.number for level in LEVELS for each in regions.by_number().values() if each.level == level]
        self._end(load, [(code, lines.nobody()) for code in order if code not in days])
        part: list[int] = []
        rows = 0
        for code in order:
            if part and (rows + days.get(code, 0) > LOAD_ROWS or len(part) >= LOAD_REGIONS):
                yield part
                part, rows = [], 0
            if code in days:
                part.append(code)
                rows += days[code]
        if part:
            yield part

    def _load(self, codes: Collection[int], database: Database) -> list[tuple[int, Line]]:
        if not codes:
            return []
        load = self._begin(set(codes))
        try:
            read = list(lines.lines(database, list(codes)))
        except BaseException:
            self._end(load, [])
            raise
        self._end(load, read)
        return read

    def _begin(self, codes: Set[int] | None) -> Load:
        load = Load(codes)
        with self._lock:
            self._loads.add(load)
        return load

    def _end(self, load: Load, read: Sequence[tuple[int, Line]]) -> None:
        with self._lock:
            if load not in self._loads:
                return  # all was dropped meanwhile
            self._loads.discard(load)
            for code, line in read:
                if code not in load.spoilt and code not in self._lines:
                    self._lines[code] = line
                    self._bytes += line.bytes
            self._make_room()

    def _make_room(self) -> None:
        """Let go of what was not asked for since the last turn, until the rest has room."""
        while self._lines and self._bytes > self._most_bytes:
            code = next(iter(self._lines))
            line = self._lines.pop(code)
            if line.used:
                line.used = False
                self._lines[code] = line
            else:
                self._bytes -= line.bytes

    def tend(self, stop: threading.Event) -> None:
        """Fill it and keep it up until told to stop; while the table is away, wait."""
        pause = 0.0
        while not stop.wait(pause):
            pause = min(max(2 * pause, TEND_SECONDS), MOST_TEND_SECONDS)
            with contextlib.suppress(DatabaseError):  # whoever asks is told
                self.follow()
                if self.fill(stop):
                    pause = TEND_SECONDS

    @property
    def version(self) -> object:
        """Another one where counts may have changed since; None: nothing is held, so nobody can tell."""
        return (self._epoch, self._seen) if self._most_bytes else None

    def sizes(self) -> Mapping[str, int]:
        """Regions held, and the bytes that they take."""
        with self._lock:
            return {"regions": len(self._lines), "bytes": self._bytes}


def _number(day: dt.date) -> int:
    """A day as the table has it: none lies before 1970."""
    return min(max((day - EPOCH).days, -1), LAST_DAY)
