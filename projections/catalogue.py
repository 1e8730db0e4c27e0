"""Every projection, as a literal you can read: which topic's events are written where."""

from __future__ import annotations

import itertools
import time

from events import catalogue as events
from projections import activation, heartbeat, outreach, reference
from projections.base import Frames, Table
from projections.clickhouse import Database

PROJECTIONS: dict[str, tuple[Table, ...]] = {
    events.ACTIVATION: (activation.EVENTS_IN,),
    events.OUTREACH: (outreach.EVENTS_IN,),
    events.REFERENCE: (reference.DENOMINATORS_IN, reference.TARGETS_IN, reference.FIGURES_IN),
    events.HEARTBEAT: (heartbeat.REPORTS_IN,),
}

# The topics whose inserts are followed by a recompute.
RECOMPUTED = frozenset({events.ACTIVATION})

_counter = itertools.count()


def new_run() -> int:
    """A name for a recompute: unique among workers that start in different microseconds, growing with time."""
    return time.time_ns() // 1000 * 100 + next(_counter) % 100


def insert(database: Database, topic: str, frames: Frames, run: int) -> int:
    """Write a batch's events to their tables; returns the number of rows. Repeating it changes nothing."""
    written = 0
    for table in PROJECTIONS[topic]:
        columns = table.rows(frames)
        if not columns:
            continue
        count = len(columns["event_id"])
        named = {**columns, "run": [run] * count} if topic in RECOMPUTED else columns
        database.insert(table.name, named)
        written += count
    return written
