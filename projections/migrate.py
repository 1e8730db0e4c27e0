"""Numbered migrations: each runs once, in order, and is never edited afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from events import regions
from projections import sql
from projections.clickhouse import Database
from projections.errors import DatabaseError

LEDGER = """
CREATE TABLE IF NOT EXISTS migration
(number UInt32, name String, digest String, applied_at DateTime('UTC') DEFAULT now())
ENGINE = ReplacingMergeTree ORDER BY number
"""


class MigrationChanged(DatabaseError):
    """A migration that has run reads otherwise now."""


def migrate(database: Database, on_step: Callable[[str], None] = lambda _: None) -> list[str]:
    """Bring the schema up to date; returns the names of what ran. Safe to repeat."""
    database.run(LEDGER)
    done = {row["number"]: row["digest"] for row in database.rows("SELECT number, digest FROM migration FINAL")}
    ran = []
    for number, name, statements in sql.migrations():
        digest = hashlib.sha256("\n".join(statements).encode()).hexdigest()
        if done.get(number, digest) != digest:
            raise MigrationChanged(
                f"migration {number:04d}_{name}.sql has run and was edited since; add a new migration instead"
            )
        if number in done:
            continue
        on_step(f"{number:04d}_{name}")
        for statement in statements:
            database.run(_repeatable(statement))
        database.insert("migration", {"number": [number], "name": [name], "digest": [digest]})
        ran.append(f"{number:04d}_{name}")
    _load_regions(database)
    return ran


def _repeatable(statement: str) -> str:
    """A migration that was interrupted half-way runs again from its start."""
    for kind in ("TABLE", "MATERIALIZED VIEW"):
        statement = statement.replace(f"CREATE {kind} ", f"CREATE {kind} IF NOT EXISTS ", 1)
    return statement.replace(" ADD COLUMN ", " ADD COLUMN IF NOT EXISTS ", 1)


def _load_regions(database: Database) -> None:
    register = sorted(regions.by_number().values(), key=lambda each: each.number)
    (known,) = database.rows("SELECT count() AS count FROM region FINAL")
    if known["count"] == len(register):
        return
    database.insert(
        "region",
        {
            "code": [each.number for each in register],
            "name": [each.name for each in register],
            "level": [each.level for each in register],
            "parent": [each.parent for each in register],
        },
    )
