"""Erasing people: after SubjectErased no table holds the pseudonym, and every count is what it was.

A keyed hash takes its place. Rows are erased at once for every question, and from the disk when their part is merged,
or a day later: writing a nation's events anew for each erasure would hold up all else. The order of the steps matters:
the person's days go before those of the hash come, so that whoever sums a village in between counts too few, with a
lower version, and loses. Days and stages are looked up by what the person's events name, which is every key that they
can have: by the pseudonym alone a nation's would be read as a whole, and hold up every answer for seconds.

Rows are hidden by patches, and a recompute and staging read the event base without applying any: it costs several times
as much. They leave out whoever is in `erased` instead, so nothing else may take events out of the base by a patch.
"""

from __future__ import annotations

from collections.abc import Sequence

from projections import sql
from projections.clickhouse import Database

REWRITE = ("erase_copy", "erase_events", "erase_person_days", "erase_copy_stages", "erase_person_stages")
TABLES = ("activation_event", "person_day", "person_stage")  # that held the pseudonym
DESTROY = ("APPLY PATCHES", "APPLY DELETED MASK")
DESTROY_AFTER = 86_400  # seconds; most rows are gone before, when their part is merged


def begin(database: Database, run: int, subjects: Sequence[bytes]) -> None:
    """From now on the door writes the hash for these people. Repeating it changes nothing."""
    database.insert("erasing", {"run": [run] * len(subjects), "subject_id": list(subjects)})
    database.run(sql.query("erase_note"), {"run": run})


def finish(database: Database, run: int) -> None:
    """Rewrite what was there before the run. Its recompute then gives the hash the person's days."""
    if not database.rows("SELECT 1 FROM erasing WHERE run = %(run)s LIMIT 1", {"run": run}):
        return
    for name in REWRITE:
        database.run(sql.query(name), {"run": run})
    database.run("ALTER TABLE erasing DROP PARTITION %(run)s", {"run": run})


def destroy(database: Database, older_than: int = DESTROY_AFTER, *, wait: bool = False) -> list[str]:
    """Have rows that were erased so many seconds ago written out of the files, in tables where there are any.

    ClickHouse does it in the background; `wait` waits for it. Returns these tables. Repeating it does no harm.
    """
    tables = [row["table"] for row in database.rows(sql.query("erased_on_disk"), {"older_than": older_than})]
    for table in tables:
        for step in DESTROY:
            database.run(f"ALTER TABLE {table} {step} SETTINGS mutations_sync = {int(wait)}")
    return tables
