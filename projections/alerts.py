"""ikd.alert.v1: what is wrong, and what became of it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from events.regions import NATION
from projections import sql
from projections.base import Columns, Frames, Rows, as_columns, together
from projections.clickhouse import Database
from projections.measures.within import ranges_within

Kind = Literal["target_at_risk", "stall", "silence", "barrier_surge", "integrity_difference"]
State = Literal["raised", "acknowledged", "cleared"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
STATES: Final[tuple[State, ...]] = get_args(State)
OPEN: Final[tuple[State, ...]] = ("raised", "acknowledged")

RAISED, ACKNOWLEDGED, CLEARED = TYPES = ("AlertRaised", "AlertAcknowledged", "AlertCleared")

COLUMNS = {
    "event_id": "FixedString(16)",
    "type": "LowCardinality(String)",
    "occurred_at": "DateTime64(3, 'UTC')",
    "recorded_at": "DateTime64(3, 'UTC')",
    "source": "LowCardinality(String)",
    "region": "UInt64",
    "alert_id": "FixedString(16)",
    "kind": "LowCardinality(String)",
    "subject": "String",
    "since": "DateTime64(3, 'UTC')",
    "measured": "Float64",
    "threshold": "Float64",
    "reason": "String",
    "acknowledged_by": "LowCardinality(String)",
}
ABSENT = {"since": 0, "measured": 0.0, "threshold": 0.0, "reason": "", "acknowledged_by": ""}


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as it stands. Times in UTC; None: not so yet. `measured` and `threshold` are in the kind's unit."""

    alert_id: bytes
    region: int
    kind: Kind
    subject: str
    state: State
    raised_at: dt.datetime
    acknowledged_at: dt.datetime | None
    cleared_at: dt.datetime | None
    since: dt.datetime
    measured: float
    threshold: float
    reason: str
    acknowledged_by: str | None
    cleared_reason: str | None


def rows(frames: Frames) -> Columns:
    """One row an event."""
    return as_columns(together(frames, TYPES, ABSENT), list(COLUMNS))


EVENTS_IN = Rows("alert_event", COLUMNS, rows)


def alerts(
    database: Database,
    region: int,
    kinds: Sequence[Kind] = KINDS,
    states: Sequence[State] = STATES,
    alert_id: bytes = b"",
) -> list[Alert]:
    """Alerts of a region and of all within it, the newest first; with an id, that one alone. Raises DatabaseError."""
    wanted = {"kinds": tuple(kinds), "states": tuple(states), "id": alert_id.hex().upper()}
    rows = database.rows(sql.query("alerts"), {"region": region, **wanted, **ranges_within(region)})
    return [_alert(row) for row in rows]


def counts(database: Database) -> dict[tuple[str, str], int]:
    """Alerts that are not over, by kind and state; every kind and state has its number, 0 too. Raises DatabaseError."""
    found = Counter((each.kind, each.state) for each in alerts(database, NATION, states=OPEN))
    return {(kind, state): found[kind, state] for kind in KINDS for state in OPEN}


def named(database: Database, alert_id: bytes) -> Alert | None:
    """The alert of this id; None: there is none. Raises DatabaseError."""
    return next(iter(alerts(database, NATION, alert_id=alert_id)), None)


def _alert(row: Mapping[str, Any]) -> Alert:
    times = {name: _time(row[name]) for name in ("raised_at", "acknowledged_at", "cleared_at", "since")}
    texts = {name: row[name] or None for name in ("acknowledged_by", "cleared_reason")}
    return Alert(**{**row, **times, **texts, "alert_id": bytes.fromhex(row["alert_id"])})


def _time(ms: int) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC) if ms else None
