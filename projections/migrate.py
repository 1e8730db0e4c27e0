"""Numbered migrations: each runs once, in order, and is never edited afterwards.

One whose first line is `-- rebuilt` changes tables that are computed from the log, or says that they are computed
otherwise from here on (it may hold no statement). In place it would leave rows that nobody has computed so, therefore
it runs only where there are no events yet. Elsewhere `cakupan rebuild` builds a database with it, puts its tables in
place and notes it here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from events import regions
from projections import sql
from projections.clickhouse import Database
from projections.errors import DatabaseError
from projections.sql import Migration

LEDGER = """
CREATE TABLE IF NOT EXISTS migration
(number UInt32, name String, digest String, applied_at DateTime('UTC') DEFAULT now())
ENGINE = ReplacingMergeTree ORDER BY number
"""

# What the log is written to first: no other table has a row of it where these have none.
BASES = (
    "activation_event",
    "outreach_event",
    "denominator",
    "target",
    "figure",
    "source_report",
    "dead_letter",
    "dead_letter_decision",
)


class MigrationChanged(DatabaseError):
    """A migration that has run reads otherwise now."""


class RebuildNeeded(DatabaseError):
    """The tables hold events and are those of the version before: they are built anew, not altered."""

    def __init__(self, migration: Migration) -> None:
        self.migration = migration
        super().__init__(
            f"migration {migration.file} changes how tables are computed, and they hold events. Run: cakupan rebuild"
            " (it builds the new tables beside them; until it switches, the version before goes on answering)"
        )


def migrate(database: Database, on_step: Callable[[str], None] = lambda _: None) -> list[str]:
    """Bring the schema up to date; returns the names of what ran. Safe to repeat.

    Raises MigrationChanged, RebuildNeeded (what comes before that migration has run), DatabaseError.
    """
    ran = []
    for each in pending(database):
        if each.rebuilt and holds_events(database):
            raise RebuildNeeded(each)
        on_step(each.title)
        for statement in each.statements:
            database.run(_repeatable(statement))
        note(database, [each])
        ran.append(each.title)
    _load_regions(database)
    return ran


def pending(database: Database) -> list[Migration]:
    """What has not run here, in order. Raises MigrationChanged."""
    database.run(LEDGER)
    done = _done(database)
    for each in sql.migrations():
        if done.get(each.number, _digest(each)) != _digest(each):
            raise MigrationChanged(f"migration {each.file} has run and was edited since; add a new migration instead")
    return [each for each in sql.migrations() if each.number not in done]


def note(database: Database, migrations: Sequence[Migration]) -> None:
    """These have run here."""
    for each in migrations:
        database.insert("migration", {"number": [each.number], "name": [each.name], "digest": [_digest(each)]})


def require_current(database: Database) -> None:
    """Raises RebuildNeeded where the tables are computed as in the version before; QueryFailed where there are none."""
    done = _done(database)
    for each in sql.migrations():
        if each.rebuilt and each.number not in done:
            raise RebuildNeeded(each)


def holds_events(database: Database) -> bool:
    """Whether anything of the log is in the tables."""
    found = database.rows(
        "SELECT 1 FROM system.tables WHERE database = currentDatabase() AND name IN %(names)s AND total_rows > 0",
        {"names": BASES},
    )
    return bool(found)


def _done(database: Database) -> dict[int, str]:
    return {row["number"]: row["digest"] for row in database.rows("SELECT number, digest FROM migration FINAL")}


def _digest(migration: Migration) -> str:
    return hashlib.sha256("\n".join(migration.statements).encode()).hexdigest()


def _repeatable(statement: str) -> str:
    """A migration that was interrupted half-way runs again from its start."""
    for kind in ("TABLE", "MATERIALIZED VIEW"):
        statement = statement.replace(f"CREATE {kind} ", f"CREATE {kind} IF NOT EXISTS ", 1)
    statement = statement.replace(" ADD COLUMN ", " ADD COLUMN IF NOT EXISTS ", 1)
    for what in ("DROP TABLE", "DROP VIEW", " DROP COLUMN"):
        statement = statement.replace(f"{what} ", f"{what} IF EXISTS ", 1)
    return statement


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
