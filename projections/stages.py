"""`person_stage`: how far each person has come, kept up from the event base, seconds behind it and off the way in.

Nothing is noted when events come in. ClickHouse numbers the blocks of a table in the order in which they become
visible, and a row keeps its number when parts are merged: so whoever has events behind the last number that was staged
is looked at again. Repeating it changes nothing, and several workers may do it at once. The number is noted after the
rows are written, so a crash only repeats work.

Where everybody is to be staged, for the first time or anew, how far that has come is noted as well: who begins after
one who stopped goes on there. Nothing is emptied before: each time is a generation, whose rows win over earlier ones.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from projections import pseudonyms, sql
from projections.clickhouse import Database

CHUNK_EVENTS = 100_000  # of new events at most, roughly, whose people are staged in one statement
_NOTED = ("mark", "generation", "aim", "block", "next", "settled")


@dataclass(frozen=True, slots=True)
class Stand:
    """What was staged: events in blocks of the base up to `block` of `newest`, as of `staged_at`.

    Block 0: not everybody yet; those whose pseudonym begins with `next` or more are left, as of the block `aim`.
    `settled`: erasures that were carried out by now, and `settled_before` by the stand noted last. `generation`: how
    often all had been staged anew when this was begun, and `generations` by now.
    """

    mark: str
    newest: int
    generation: int
    generations: int
    aim: int
    block: int
    next: int
    settled: int
    settled_before: int
    staged_at: dt.datetime
    begun: bool

    @property
    def whole(self) -> bool:
        """Whether all people were staged once; before that, nothing may be counted."""
        return self.block > 0 or self.newest == 0

    @property
    def to_begin(self) -> bool:
        """Whether everybody is to be staged from the first on: never yet, other events are there, or none were there
        when it was begun, so that it aims at nothing."""
        aimless = self.block == 0 and self.aim == 0 and self.newest > 0
        return not self.begun or self.newest < self.block or aimless

    @property
    def due(self) -> bool:
        return not self.begun or self.block != self.newest or self.settled != self.settled_before


def stand(database: Database) -> Stand:
    """How far people were staged. Raises DatabaseError."""
    (row,) = database.rows(sql.query("stage_stand"))
    return Stand(**{**row, "newest": row["newest"] or 0, "begun": bool(row["begun"])})


def refresh(database: Database) -> Generator[int, None, None]:
    """Stage everybody with new events, a part of them at each step; yields how many parts are left.

    Raises DatabaseError. Who stops before the last step repeats it all, but where everybody is to be staged: then the
    next one goes on where the last step ended.
    """
    before = stand(database)
    if not before.due:
        return
    if before.to_begin:
        before = replace(before, generation=before.generations + 1, aim=before.newest, block=0, next=0)
        _note(database, before)
    filling = before.block == 0
    for left, (low, high) in _chunks(database, before.block, before.next):
        params = {"seen": before.block, **pseudonyms.between(low, high), "generation": before.generation}
        database.run(sql.query("stage_people"), params)
        if filling:
            _note(database, replace(before, next=high + 1))
        yield left
    if filling:
        _forget_earlier(database, before.generation)
    _sweep(database, before)
    _note(database, replace(before, block=before.aim if filling else before.newest, next=0))


def again(database: Database) -> None:
    """Events were taken out of the base: everybody is to be staged anew."""
    database.run("INSERT INTO stage_again SELECT now64(3)")


def _chunks(database: Database, seen: int, start: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """How many come after it, and the first and last prefix of each, from `start` on."""
    params = {"seen": seen, **pseudonyms.between(start, pseudonyms.PREFIXES - 1)}
    events = database.rows(sql.query("stage_fresh"), params)[0]["events"] if start < pseudonyms.PREFIXES else 0
    pieces = pseudonyms.cut(-(-events // CHUNK_EVENTS), start)
    for each, piece in enumerate(pieces, 1):
        yield len(pieces) - each, piece


def _forget_earlier(database: Database, generation: int) -> None:
    params = {"generation": generation}
    if database.rows(sql.query("stage_outdated"), params):
        database.run(sql.query("stage_forget"), params)


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


def _note(database: Database, come: Stand) -> None:
    database.run(sql.query("stage_note"), {name: getattr(come, name) for name in _NOTED})
