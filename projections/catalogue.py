"""Every projection, as a literal you can read: which topic's events are written where."""

from __future__ import annotations

import secrets
import time

from events import catalogue as events
from projections import activation, alerts, dead_letters, erasure, heartbeat, outreach, reference
from projections.base import Frames, Table
from projections.clickhouse import Database

PROJECTIONS: dict[str, tuple[Table, ...]] = {
    events.ACTIVATION: (activation.EVENTS_IN,),
    events.OUTREACH: (outreach.EVENTS_IN,),
    events.REFERENCE: (reference.DENOMINATORS_IN, reference.TARGETS_IN, reference.FIGURES_IN),
    events.HEARTBEAT: (heartbeat.REPORTS_IN,),
    events.DEAD_LETTER: (dead_letters.LETTERS_IN, dead_letters.DECISIONS_IN),
    events.ALERT: (alerts.EVENTS_IN,),
}

# The topics whose inserts are followed by a recompute.
RECOMPUTED = frozenset({events.ACTIVATION})

ERASED = "SubjectErased"

RUN_RANDOM_BITS = 22
UNCOUNTED = 0  # a run that notes nothing of what it touches: `whole.count` follows


def new_run(age_seconds: float = 0) -> int:
    """A name for a recompute: the time in milliseconds and random bits, so it grows and no two workers share one.

    `age_seconds`: as if made that long ago.
    """
    made_ms = time.time_ns() // 1_000_000 - round(age_seconds * 1000)
    return made_ms << RUN_RANDOM_BITS | secrets.randbits(RUN_RANDOM_BITS)


def insert(database: Database, topic: str, frames: Frames, run: int) -> int:
    """Write a batch's events to their tables; returns the number of rows. Repeating it changes nothing."""
    if ERASED in frames:
        erasure.begin(database, run, frames[ERASED]["subject_id"].unique().to_list())
    return sum(table.insert(database, frames, run) for table in PROJECTIONS[topic])
