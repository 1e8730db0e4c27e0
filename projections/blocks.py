"""What a table consists of, for whoever holds in memory what it says.

A table tells by itself what was written to it. ClickHouse gives a block its number under the same lock under which the
block comes to be seen (`MergeTreeSink::commitPart`: `fillNewPartName`, then `commit`), so what comes later has a higher
number, and a merged part keeps the highest of its parts. Whoever has seen all up to one number reads the parts behind
it, whoever wrote them. That holds for tables of one server, which ours are.
"""

from __future__ import annotations

from dataclasses import dataclass

from projections import sql
from projections.clickhouse import Database


@dataclass(frozen=True)
class Blocks:
    """`newest`: the highest block; `fresh`: rows of parts that hold blocks not seen yet; `identity`: another one means
    that rows of before may have changed or gone."""

    newest: int
    fresh: int
    identity: tuple[str, int, int, int]


def of(database: Database, table: str, seen: int) -> Blocks:
    """What a table consists of now, for someone who has seen all blocks up to `seen`."""
    (row,) = database.rows(sql.query("table_blocks"), {"table": table, "seen": seen})
    identity = row["folder"], row["oldest"], row["mended"], row["to_mend"]
    return Blocks(row["newest"], row["fresh"], identity)
