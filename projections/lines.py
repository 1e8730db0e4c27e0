"""How many people were active in a region at the end of any day, as lines in memory, and how they follow their table.

The table of counts by region and day tells by itself what was written to it. ClickHouse gives a block its number under
the same lock under which the block comes to be seen (`MergeTreeSink::commitPart`: `fillNewPartName`, then `commit`), so
what comes later has a higher number, and a merged part keeps the highest of its parts. Whoever has seen all up to one
number reads the parts behind it, whoever wrote them. That holds for tables of one server, which ours are.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from projections import sql
from projections.clickhouse import Database

LAST_DAY = 2**16 - 1  # that a table's date can have, in days since 1970
OBJECT_BYTES = 400  # of a line without its days: two arrays, the object, its place among others
_TYPES = (("h", 2**15), ("i", 2**31), ("q", 2**63))
_WIDTHS = {"h": np.int16, "i": np.int32, "q": np.int64}

Column = np.ndarray[Any, np.dtype[np.int64]]
Fresh = list[tuple[int, int, int]]  # region, day since 1970, change
Steps = tuple["array[int]", "array[int]"]  # days since 1970, active people at their end
_NONE: Steps = array("H"), array("h")


@dataclass(frozen=True)
class Table:
    """What the table consists of. `newest`: its highest block; `fresh`: rows of parts that hold blocks not seen yet;
    `identity`: another one means that rows of before may have changed or gone."""

    newest: int
    fresh: int
    identity: tuple[str, int, int, int]


class Line:
    """A region's active people at the end of each day with a change; none: no event has named it.

    It may be read while it is written: every number that is read is one from before or from after.
    """

    __slots__ = ("_steps", "used")

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.used = True  # lately; see api.memory

    @property
    def bytes(self) -> int:
        days, totals = self._steps
        return OBJECT_BYTES + len(days) * (days.itemsize + totals.itemsize)

    def at(self, day: int) -> int | None:
        """Active people at the end of a day since 1970; None where no event has named the region."""
        days, totals = self._steps
        if not days:
            return None
        place = bisect_right(days, day)
        return totals[place - 1] if place else 0

    def put(self, day: int, change: int) -> int:
        """Take in what changed on a day, in place of what was known of it. One thread at a time.

        Returns by how many bytes the line has grown.
        """
        before, old = self._steps, self.bytes
        self._put(day, change)
        return 0 if before is self._steps else self.bytes - old

    def _put(self, day: int, change: int) -> None:
        days, totals = self._steps
        place = bisect_left(days, day)
        if place < len(days) and days[place] == day:
            self._add(place, change - (totals[place] - (totals[place - 1] if place else 0)))
        else:
            before = totals[place - 1] if place else 0
            new_days = np.insert(np.array(days, np.int64), place, day)
            new_totals = np.insert(np.array(totals, np.int64), place, before)
            new_totals[place:] += change
            self._steps = _steps(new_days, new_totals)

    def _add(self, place: int, change: int) -> None:
        if not change:
            return
        days, totals = self._steps
        later = np.frombuffer(totals, _WIDTHS[totals.typecode])[place:]
        most = _most(totals.typecode)
        if -most <= int(later.min()) + change and int(later.max()) + change < most:
            later += change
        else:
            wide = np.array(totals, np.int64)
            wide[place:] += change
            self._steps = _steps(np.array(days, np.int64), wide)


def _steps(days: Column, totals: Column) -> Steps:
    """In the narrowest types that hold them: a nation has tens of millions of days."""
    least, most = (int(totals.min()), int(totals.max())) if len(totals) else (0, 0)
    kind = next(kind for kind, bound in _TYPES if -bound <= least and most < bound)
    narrow_days, narrow_totals = array("H"), array(kind)
    narrow_days.frombytes(days.astype(np.uint16).tobytes())
    narrow_totals.frombytes(totals.astype(_WIDTHS[kind]).tobytes())
    return narrow_days, narrow_totals


def _most(typecode: str) -> int:
    return dict(_TYPES)[typecode]


def table(database: Database, seen: int) -> Table:
    """What the table consists of now, for someone who has seen all blocks up to `seen`."""
    (row,) = database.rows(sql.query("coverage_table"), {"seen": seen})
    identity = row["folder"], row["oldest"], row["mended"], row["to_mend"]
    return Table(row["newest"], row["fresh"], identity)


def fresh(database: Database, seen: int) -> Fresh:
    """What changed on the days that blocks behind `seen` name, as it is now."""
    return list(zip(*database.columns(sql.query("coverage_fresh"), {"seen": seen}), strict=True))


def sizes(database: Database) -> dict[int, int]:
    """Rows by region; regions that no event has named are left out."""
    return dict(zip(*database.columns(sql.query("coverage_sizes")), strict=True))


def lines(database: Database, codes: Sequence[int]) -> Iterator[tuple[int, Line]]:
    """The line of each of these regions."""
    silent = set(codes)
    columns = database.columns(sql.query("coverage_lines"), {"regions": tuple(codes)})
    if columns and columns[0]:
        region, day, change = (np.array(each, np.int64) for each in columns)
        borders = np.flatnonzero(np.diff(region)) + 1
        for begin, end in zip([0, *borders], [*borders, len(region)], strict=True):
            code = int(region[begin])
            silent.discard(code)
            yield code, Line(_steps(day[begin:end], np.cumsum(change[begin:end])))
    for code in silent:
        yield code, nobody()


def nobody() -> Line:
    """The line of a region that no event has named."""
    return Line(_NONE)
