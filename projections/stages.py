"""`person_stage`: how far each person has come, kept up from the event base, seconds behind it and off the way in.

Nothing is noted when events come in. ClickHouse numbers the blocks of a table in the order in which they become
visible, and a row keeps its number when parts are merged: so whoever has events behind the last number that was staged
is looked at again. Repeating it changes nothing, and several workers may do it at once. The number is noted after the
rows are written, so a crash only repeats work.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from projections import sql
from projections.clickhouse import Database

CHUNK_EVENTS = 100_000  # of new events at most, roughly, whose people are staged in one statement
_PREFIXES = 1 << 16  # pseudonyms are random: their first two bytes share them out evenly


@dataclass(frozen=True, slots=True)
class Stand:
    """What was staged: events in blocks of the base up to `block` of `newest`, as of `staged_at`.

    `settled`: erasures that were carried out by now, and `settled_before` by the stand noted last.
    """

    mark: str
    newest: int
    block: int
    settled: int
    settled_before: int
    staged_at: dt.datetime
    begun: bool

    @property
    def whole(self) -> bool:
        """Whether all people were staged once; before that, nothing may be counted."""
        return self.block > 0 or self.newest == 0

    @property
    def due(self) -> bool:
        return not self.begun or self.block != self.newest or self.settled != self.settled_before


def stand(database: Database) -> Stand:
    """How far people were staged. Raises DatabaseError."""
    (row,) = database.rows(sql.query("stage_stand"))
    return Stand(**{**row, "newest": row["newest"] or 0, "begun": bool(row["begun"])})


def refresh(database: Database) -> Generator[int, None, None]:
    """Stage everybody with new events, a part of them at each step; yields how many parts are left.

    Raises DatabaseError. Nothing is noted until the last step was taken: one who stops before repeats it all.
    """
    before = stand(database)
    if not before.due:
        return
    anew = not before.begun or before.newest < before.block
    if anew:
        database.run("TRUNCATE TABLE person_stage")
        _note(database, before, 0)
    seen = 0 if anew else before.block
    for left, (low, high) in _chunks(database, seen):
        database.run(sql.query("stage_people"), {"seen": seen, "low": low, "high": high})
        yield left
    _sweep(database, before)
    _note(database, before, before.newest)


def again(database: Database) -> None:
    """Events were taken out of the base: everybody is to be staged anew."""
    database.run("INSERT INTO stage_again SELECT now64(3)")


def _chunks(database: Database, seen: int) -> Iterator[tuple[int, tuple[str, str]]]:
    """How many come after it, and the first and last pseudonym of each, in hexadecimal."""
    (row,) = database.rows(sql.query("stage_fresh"), {"seen": seen, "low": "00" * 16, "high": "ff" * 16})
    count = min(-(-row["events"] // CHUNK_EVENTS), _PREFIXES)
    for each in range(count):
        low, high = each * _PREFIXES // count, (each + 1) * _PREFIXES // count - 1
        yield count - each - 1, (f"{low:04x}" + "00" * 14, f"{high:04x}" + "ff" * 14)


def _sweep(database: Database, before: Stand) -> None:
    """Who was erased since the stand noted last may have been read before and written after: they go once more."""
    if stand(database).settled == before.settled_before:
        return
    found = [row["subject"] for row in database.rows(sql.query("stage_erased"))]
    if found:
        database.run(
            "DELETE FROM person_stage WHERE lower(hex(subject_id)) IN %(subjects)s"
            " SETTINGS lightweight_delete_mode = 'lightweight_update_force'",
            {"subjects": tuple(found)},
        )


def _note(database: Database, seen: Stand, block: int) -> None:
    database.insert(
        "staged",
        {
            "mark": [seen.mark],
            "block": [block],
            "settled": [seen.settled],
            "staged_at": [dt.datetime.now(dt.UTC)],
        },
    )
