"""How many people were active in a region at the end of any day, as lines in memory, read from their table."""

from __future__ import annotations

import datetime as dt
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from projections import sql
from projections.answers import Change
from projections.base import EPOCH
from projections.clickhouse import Database

LAST_DAY = 2**16 - 1  # that a table's date can have, in days since 1970
OBJECT_BYTES = 400  # of a line without its days: two arrays, the object, its place among others
MOVES_BYTES = 200  # of the two arrays of those who left or moved
MANY_NEW = 100  # regions' days that were not met before: from there on it is worth while to learn a day as a whole
MOST_WHOLE = 2  # days, learned at once: an open one and the one before
MOST_COUNTED = 300_000  # regions' days to hold what they were counted from, in 50 MB: three of every region
_TYPES = (("h", 2**15), ("i", 2**31), ("q", 2**63))
_BOUNDS = dict(_TYPES)
_SMALL_TYPES = (("b", 2**7), *_TYPES)
_WIDTHS = {"b": np.int8, "h": np.int16, "i": np.int32, "q": np.int64, "H": np.uint16}

Column = np.ndarray[Any, np.dtype[np.int64]]
# Region, day since 1970, events counted, change, deactivated, moved in, moved out.
Fresh = list[tuple[int, int, int, int, int, int, int]]
Steps = tuple["array[int]", "array[int]"]  # days since 1970, active people at their end
Moves = tuple["array[int]", "array[int]"]  # some days since 1970; of each the deactivated, moved in and moved out
Extent = tuple[dt.date, dt.date] | None  # first and last day with a change; None: no event has named the region
NO_MOVES = (0, 0, 0)
CHANGES = 5  # numbers in a Change
_NONE: Steps = array("H"), array("h")
_NO_MOVES: Moves = array("H"), array("b")


@dataclass(frozen=True)
class History:
    """Days since 1970, and a row for each: active_change, activated, deactivated, moved_in, moved_out."""

    days: Column
    changes: Column

    @classmethod
    def of(cls, changes: Sequence[Change]) -> History:
        """Of changes by day, in order."""
        rows = [each[1:] for each in changes]
        return cls(
            np.array([(each.start - EPOCH).days for each in changes], np.int64),
            np.array(rows, np.int64).reshape(-1, CHANGES),
        )

    @property
    def extent(self) -> Extent:
        return (_date(self.days[0]), _date(self.days[-1])) if len(self.days) else None

    def together(self, starts: Sequence[dt.date], last: dt.date) -> list[Change]:
        """Changes up to `last`, added up from one of `starts` to the next; those of before with the first one."""
        if not starts:
            return []
        numbers = np.array([each.toordinal() for each in starts], np.int64) - EPOCH.toordinal()
        until = int(np.searchsorted(self.days, (last - EPOCH).days, "right"))
        places = np.maximum(np.searchsorted(numbers, self.days[:until], "right") - 1, 0)
        begins = np.flatnonzero(np.diff(places, prepend=-1))
        if not len(begins):
            return []
        sums = np.add.reduceat(self.changes[:until], begins, axis=0).tolist()
        return [Change(starts[place], *counts) for place, counts in zip(places[begins].tolist(), sums, strict=True)]


class Line:
    """A region's active people at the end of each day with a change, and who left or moved; no days: no event has named
    it.

    It may be read while it is written: what is kept is never written to, another takes its place.
    """

    __slots__ = ("_kept", "used")

    def __init__(self, steps: Steps, moves: Moves) -> None:
        self._kept = steps, moves
        self.used = True  # lately; see api.memory

    @property
    def bytes(self) -> int:
        (days, totals), (moved_days, moved) = self._kept
        size = OBJECT_BYTES + len(days) * (days.itemsize + totals.itemsize)
        if not moved_days:
            return size  # all such lines share an empty one
        return size + MOVES_BYTES + len(moved_days) * moved_days.itemsize + len(moved) * moved.itemsize

    def at(self, day: int) -> int | None:
        """Active people at the end of a day since 1970; None where no event has named the region."""
        (days, totals), _ = self._kept
        if not days:
            return None
        place = bisect_right(days, day)
        return totals[place - 1] if place else 0

    @property
    def extent(self) -> Extent:
        (days, _), _ = self._kept
        return (_date(days[0]), _date(days[-1])) if days else None

    def history(self) -> History:
        """All that ever changed."""
        (days, totals), (moved_days, moved) = self._kept
        wide = _wide(days)
        changes = np.zeros((len(days), CHANGES), np.int64)
        changes[:, 0] = np.diff(_wide(totals), prepend=0)
        changes[np.searchsorted(wide, _wide(moved_days)), 2:] = _wide(moved).reshape(-1, len(NO_MOVES))
        # What is not explained by who left or moved was activated: see recompute_person_day.
        changes[:, 1] = changes[:, 0] + changes[:, 2] - changes[:, 3] + changes[:, 4]
        return History(wide, changes)

    def put(self, day: int, change: int, moves: tuple[int, int, int] = NO_MOVES) -> int:
        """Take in what changed on a day, in place of what was known of it; `moves`: deactivated, moved in, moved out.
        One thread at a time.

        Returns by how many bytes the line has grown.
        """
        steps, moved = self._kept
        before = self.bytes
        self._kept = _stepped(steps, day, change), _moved(moved, day, moves)
        return self.bytes - before


def _stepped(steps: Steps, day: int, change: int) -> Steps:
    days, totals = steps
    place = bisect_left(days, day)
    before = totals[place - 1] if place else 0
    known = place < len(days) and days[place] == day
    total = before + change
    if known and totals[place] == total:
        return steps
    bound = _BOUNDS[totals.typecode]
    if place + known == len(days) and -bound <= total < bound:  # mostly the last day: nothing behind it moves
        return days if known else days + array("H", [day]), totals[:place] + array(totals.typecode, [total])
    wide_days, wide = _wide(days), _wide(totals)
    if not known:
        wide_days, wide = np.insert(wide_days, place, day), np.insert(wide, place, before)
    wide[place:] += change - (int(wide[place]) - before)
    return _days(wide_days), _narrow(wide, _TYPES)


def _moved(moved: Moves, day: int, moves: tuple[int, int, int]) -> Moves:
    days, counts = moved
    place = bisect_left(days, day)
    known = place < len(days) and days[place] == day
    if not known and moves == NO_MOVES:
        return moved
    wide_days, wide = _wide(days), _wide(counts).reshape(-1, len(NO_MOVES))
    if not known:
        wide_days, wide = np.insert(wide_days, place, day), np.insert(wide, place, moves, axis=0)
    wide[place] = moves
    return _moves(wide_days, wide)


def _moves(days: Column, counts: Column) -> Moves:
    """Of these days those on which somebody left or moved. `counts`: a row a day."""
    some = counts.any(axis=1)
    return (_days(days[some]), _narrow(counts[some].ravel(), _SMALL_TYPES)) if some.any() else _NO_MOVES


def _steps(days: Column, totals: Column) -> Steps:
    return _days(days), _narrow(totals, _TYPES)


def _days(days: Column) -> array[int]:
    return array("H", days.astype(np.uint16).tobytes())


def _narrow(numbers: Column, kinds: Sequence[tuple[str, int]]) -> array[int]:
    """In the narrowest type that holds them: a nation has tens of millions of days."""
    least, most = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    kind = next(kind for kind, bound in kinds if -bound <= least and most < bound)
    return array(kind, numbers.astype(_WIDTHS[kind]).tobytes())


def _wide(numbers: array[int]) -> Column:
    return np.frombuffer(numbers, _WIDTHS[numbers.typecode]).astype(np.int64)


class Counted:
    """From how many events regions' days were counted, of those that were taken in; some of them, and of a `whole` day
    all that there are. One look may learn while another takes in.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[tuple[int, int], int] = {}  # by region and day since 1970
        self._whole: frozenset[int] = frozenset()
        self._full = False
        self.many_new = False  # at the last look, of many days: the next one will meet as many

    def after(self, rows: Fresh) -> Counted:
        """These are taken in. Returns what to go on with: where there is no room, another one that knows of no others,
        as a look under way goes on with what it began with.
        """
        found = {row[:2]: row[2] for row in rows}
        with self._lock:
            if not self._full and len(self._events) + len(found) <= MOST_COUNTED:
                self._events |= found
                return self
        anew = Counted()
        return anew.after(rows) if len(found) <= MOST_COUNTED else anew

    def learn(self, days: Collection[int], rows: Iterable[tuple[int, int, int]]) -> None:
        """All of some days that was taken in before the look that learns it: region, day, events."""
        with self._lock:
            events = self._events
            found = {(region, day): counted for region, day, counted in rows if counted > events.get((region, day), 0)}
            self._full = len(events) + len(found) > MOST_COUNTED
            if not self._full:
                events |= found
                self._whole |= frozenset(days)

    def newer(self, rows: Fresh) -> Fresh | None:
        """Those that count as many events as what was taken in, or more; None where that is not known of one."""
        if self.unknown(rows):
            return None
        return [row for row in rows if row[2] >= self._events.get(row[:2], 0)]

    def unknown(self, rows: Fresh) -> Counter[int]:
        """How many of these are not known, by day."""
        return Counter(row[1] for row in rows if row[:2] not in self._events and row[1] not in self._whole)


def fresh(database: Database, seen: int, most: int, counted: Counted) -> Fresh | None:
    """What changed on the days that blocks behind `seen` name, as it is now; None if there are more than `most`.

    Of a day in `counted` all that blocks up to `seen` hold was taken in, so rows of later ones alone say whether they
    are newer. Where there are others, the rows of all days are looked up, which takes six times as long.
    """
    params = {"seen": seen, "most": most + 1}
    if not counted.many_new:
        found = _read(database, "coverage_fresh", params)
        newer = None if len(found) > most else counted.newer(found)
        if newer is not None or len(found) > most:
            return newer
    found = _read(database, "coverage_newest", params)
    unknown = counted.unknown(found)
    days = [day for day, number in unknown.items() if number > MANY_NEW]
    if 0 < len(days) <= MOST_WHOLE:
        counted.learn(days, _counted(database, days, seen))
    counted.many_new = counted.unknown(found).total() > MANY_NEW
    return None if len(found) > most else found


def _counted(database: Database, days: Iterable[int], seen: int) -> Iterator[tuple[int, int, int]]:
    dates = [_date(day) for day in days]
    months = tuple({each.replace(day=1) for each in dates})
    columns = database.columns(sql.query("coverage_counted"), {"days": tuple(dates), "months": months, "seen": seen})
    return zip(*columns, strict=True)


def _read(database: Database, query: str, params: Mapping[str, Any]) -> Fresh:
    return list(zip(*database.columns(sql.query(query), params), strict=True))


def sizes(database: Database) -> dict[int, int]:
    """Rows by region; regions that no event has named are left out."""
    return dict(zip(*database.columns(sql.query("coverage_sizes")), strict=True))


def lines(database: Database, codes: Sequence[int]) -> Iterator[tuple[int, Line]]:
    """The line of each of these regions."""
    silent = set(codes)
    columns = database.columns(sql.query("coverage_lines"), {"regions": tuple(codes)})
    if columns and columns[0]:
        region, day, change, *moves = (np.array(each, np.int64) for each in columns)
        moved = np.column_stack(moves)
        borders = np.flatnonzero(np.diff(region)) + 1
        for begin, end in zip([0, *borders], [*borders, len(region)], strict=True):
            code = int(region[begin])
            silent.discard(code)
            days = day[begin:end]
            yield code, Line(_steps(days, np.cumsum(change[begin:end])), _moves(days, moved[begin:end]))
    for code in silent:
        yield code, nobody()


def nobody() -> Line:
    """The line of a region that no event has named."""
    return Line(_NONE, _NO_MOVES)


def _date(number: int) -> dt.date:
    return EPOCH + dt.timedelta(days=int(number))
