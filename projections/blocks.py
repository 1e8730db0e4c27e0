"""What tables consist of, for whoever holds in memory what they say.

A table tells by itself what was written to it. ClickHouse gives a block its number under the same lock under which the
block comes to be seen (`MergeTreeSink::commitPart`: `fillNewPartName`, then `commit`), so what comes later has a higher
number, and a merged part keeps the highest of its parts. Whoever has seen all up to one number reads the parts behind
it, whoever wrote them. That holds for tables of one server, which ours are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from projections import sql
from projections.clickhouse import Database


class Part(NamedTuple):
    """Rows that were written, merged or mended together. A part that was mended has the number of that as version."""

    path: str
    rows: int
    min_block: int
    max_block: int
    version: int

    @property
    def mended(self) -> int:
        """Up to which mending its rows were mended; 0: never."""
        return 0 if self.version == self.min_block else self.version


@dataclass(frozen=True)
class Table:
    """The parts of a table at one moment."""

    parts: tuple[Part, ...] = ()

    @cached_property
    def mark(self) -> Hashable:
        """Another one with all that is written, merged, mended or exchanged."""
        return frozenset(each.path for each in self.parts)

    @cached_property
    def newest(self) -> int:
        """The highest number of a block that was written to it."""
        return max((each.max_block for each in self.parts), default=0)

    @cached_property
    def identity(self) -> Hashable:
        """Another one where rows may have changed or gone that were there before.

        Another table in its place (tables have folders of their own), this one emptied, rows mended or deleted, of
        which a part takes the number, one part after the other.
        """
        folder = max((each.path.rstrip("/").rpartition("/")[0] for each in self.parts), default="")
        oldest = min((each.min_block for each in self.parts if each.rows), default=0)
        mended = max((each.mended for each in self.parts), default=0)
        to_mend = sum(each.max_block < mended and each.mended < mended for each in self.parts)
        return folder, oldest, mended, to_mend


class Tables:
    """Some tables, looked at together. One without parts is one that is empty."""

    def __init__(self, rows: Iterable[tuple[str, Part]]) -> None:
        parts: dict[str, list[Part]] = defaultdict(list)
        for table, part in rows:
            parts[table].append(part)
        self._tables = {name: Table(tuple(each)) for name, each in parts.items()}

    def __getitem__(self, table: str) -> Table:
        return self._tables.get(table, Table())

    def mark(self, names: Iterable[str]) -> Hashable:
        """Another one with all that changes in these tables."""
        return tuple(self[each].mark for each in names)


def read(database: Database, *names: str) -> Tables:
    """What these tables consist of now."""
    columns = database.columns(sql.query("table_parts"), {"tables": names})
    return Tables((table, Part(*part)) for table, *part in zip(*columns, strict=True))
