"""Two databases of the same log, compared: which tables and columns differ, and which rows of what both have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from projections.clickhouse import Database

# What a row of each table is about: a difference is named by it.
PLACES: dict[str, str] = {
    "activation_event": "domicile, toDate(occurred_at, 'Asia/Jakarta')",
    "activity": "service_region, day",
    "activated_event": "domicile, day",
    "failure": "village, day",
    "person_day": "village, day",
    "coverage_day": "region, day",
    "region_minute": "region, minute",
    "service_day": "region, day",
    "outreach_event": "service_region, toDate(occurred_at, 'Asia/Jakarta')",
    "denominator": "region, vintage",
    "target": "region, valid_from",
    "figure": "region, reported_on",
    "source_report": "region, toDate(occurred_at, 'Asia/Jakarta')",
    "alert_event": "region, toDate(occurred_at, 'Asia/Jakarta')",
    "source_stand": "region, source",
    "dead_letter_decision": "topic, partition, offset",
    "dead_letter": "topic, partition, offset",
}

# Rows that count, where not all do: of minutes, those that are kept up.
KEPT = {"region_minute": "minute >= toDateTime(toDate(now(), 'Asia/Jakarta') - 8, 'Asia/Jakarta')"}

# Names in them are ours, or the engine's own list of columns.
PART_DIGESTS = """
SELECT cityHash64({key}) %% 1024 AS part, count() AS rows, groupBitXor(cityHash64({columns})) AS digest
FROM {table} FINAL WHERE {kept} GROUP BY part
"""
# What is in both as it is cancels out. However much differs, it is one look, and memory is bounded.
DIFFERING = """
SELECT count() AS differing, min(key) AS first
FROM
(
    SELECT concatWithSeparator(' ', {key}) AS key
    FROM
    (
        SELECT {columns}, 1 AS side FROM {present}.{table} FINAL WHERE {kept}
        UNION ALL
        SELECT {columns}, -1 AS side FROM {new}.{table} FINAL WHERE {kept}
    )
    WHERE cityHash64({key}) %% 1024 IN %(parts)s
    GROUP BY key
    HAVING groupBitXor(cityHash64({columns})) != 0 OR sum(side) != 0
)
SETTINGS max_bytes_before_external_group_by = 1000000000
"""

Columns = dict[str, str]  # name to type, in their order
Digests = dict[int, tuple[int, int]]


@dataclass(frozen=True)
class TableDifference:
    """Rows of a table that differ between the present one and the new one, counted, with the first key."""

    table: str
    present: int
    new: int
    differing: int
    first: str


def tables(database: Database) -> dict[str, Columns]:
    """Every table with its columns; no views. Raises DatabaseError."""
    rows = database.rows(
        "SELECT c.table AS table, c.name AS name, c.type AS type"
        " FROM system.columns AS c INNER JOIN system.tables AS t ON t.database = c.database AND t.name = c.table"
        " WHERE c.database = currentDatabase() AND t.engine NOT LIKE '%%View' ORDER BY c.table, c.position"
    )
    found: dict[str, Columns] = {}
    for row in rows:
        found.setdefault(row["table"], {})[row["name"]] = row["type"]
    return found


def shapes(present: Mapping[str, Columns], new: Mapping[str, Columns]) -> list[str]:
    """Which tables and columns are new, gone or of another type, in words."""
    every = sorted({*present, *new})
    return [text for table in every for text in _shapes(table, present.get(table), new.get(table))]


def compare(databases: tuple[Database, Database], table: str, present: Columns, new: Columns) -> TableDifference | None:
    """Rows, of the columns that both have, with the same type in both. Raises DatabaseError.

    By digests of many rows first, then key by key where those differ. Both are databases of one server.
    """
    columns = [name for name in new if present.get(name) == new[name]]
    words = {
        "table": table,
        "key": _key(table, columns, {*present, *new}),
        "columns": ", ".join(columns),
        "kept": KEPT.get(table, "true"),
    }
    before, after = (_digests(each, words) for each in databases)
    parts = [part for part in before.keys() | after.keys() if before.get(part) != after.get(part)]
    if not parts:
        return None
    both = {"present": _name(databases[0]), "new": _name(databases[1])}
    (found,) = databases[0].rows(DIFFERING.format(**words, **both), {"parts": tuple(parts)})
    return TableDifference(table, _rows(before), _rows(after), found["differing"], found["first"])


def _shapes(table: str, present: Columns | None, new: Columns | None) -> list[str]:
    if present is None or new is None:
        return [] if present is new else [f"{table}: the table is {'new' if present is None else 'gone'}"]
    found = [f"{table}.{name}: the column is new" for name in new if name not in present]
    found += [f"{table}.{name}: the column is gone" for name in present if name not in new]
    both = [name for name in new if name in present and new[name] != present[name]]
    return found + [f"{table}.{name}: {present[name]} now, {new[name]} new" for name in both]


def _key(table: str, columns: Sequence[str], names: set[str]) -> str:
    """Its place; all columns where the two have no such place in common."""
    used = names & set(re.findall(r"\w+", PLACES[table]))
    return PLACES[table] if used <= set(columns) else ", ".join(columns)


def _digests(database: Database, words: Mapping[str, str]) -> Digests:
    return {row["part"]: (row["rows"], row["digest"]) for row in database.rows(PART_DIGESTS.format(**words))}


def _rows(digests: Digests) -> int:
    return sum(rows for rows, _ in digests.values())


def _name(database: Database) -> str:
    (row,) = database.rows("SELECT currentDatabase() AS name")
    return str(row["name"])
