"""Alerts, pure: shapes of the answers, and alerts of the tables as they are shown."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from api import models
from api.models import Absent, Model, RegionName
from events import identity, regions
from projections.alerts import KINDS, OPEN, STATES, Kind, State
from projections.alerts import Alert as Stored

Unit = Literal["chance", "activations", "seconds", "attempts", "events"]
Wanted = Literal["open", "raised", "acknowledged", "cleared", "all"]

UNITS: dict[Kind, Unit] = {
    "target_at_risk": "chance",
    "stall": "activations",
    "silence": "seconds",
    "barrier_surge": "attempts",
    "integrity_difference": "events",
}
HIDDEN = "alerts of regions below the public level are left out; they show to a key whose scope holds them"

_EXAMPLE = {
    "alert_id": "00000000-0000-7a93-90e8-1c7219d01fc4",
    "kind": "silence",
    "region": models.EXAMPLE_REGION,
    "subject": "dukcapil-61.01",
    "state": "acknowledged",
    "raised_at": "2024-06-29T22:15:00Z",
    "acknowledged_at": "2024-06-30T00:30:00Z",
    "acknowledged_by": "dukcapil-kalbar",
    "cleared_at": None,
    "cleared_reason": None,
    "since": "2024-06-28T09:59:00Z",
    "measured": 130560.0,
    "threshold": 129600.0,
    "unit": "seconds",
    "reason": "nothing heard for 36.3 h; 99 of 100 earlier gaps were at most 24.0 h",
}


class Alert(Model):
    """An alert. `measured` is what was found when it was raised, `threshold` from which value on it is, both in `unit`;
    `since`: when that began. `subject`: the source that is silent, the topic that differs; empty for the other kinds.
    What is null is not so yet."""

    model_config = models.example(**_EXAMPLE)

    alert_id: str
    kind: Kind
    region: RegionName
    subject: str
    state: State
    raised_at: dt.datetime
    acknowledged_at: dt.datetime | None
    acknowledged_by: str | None
    cleared_at: dt.datetime | None
    cleared_reason: str | None
    since: dt.datetime
    measured: float
    threshold: float
    unit: Unit
    reason: str

    @classmethod
    def of(cls, stored: Stored) -> Alert:
        given = {name: getattr(stored, name) for name in cls.model_fields if name != "unit"}
        shown = {
            "alert_id": identity.as_text(stored.alert_id),
            "region": RegionName.of(regions.region(stored.region)),
            "unit": UNITS[stored.kind],
        }
        return cls.model_validate({**given, **shown})


class AlertsAnswer(Model):
    """Alerts of a region and of those within it, the newest first. `kinds` counts those of the state asked for."""

    model_config = models.example(
        region=models.EXAMPLE_REGION,
        state="open",
        kinds={**dict.fromkeys(KINDS, 0), "silence": 1},
        total=1,
        limit=100,
        offset=0,
        items=[_EXAMPLE],
        absent=[],
        data=models.EXAMPLE_DATA,
    )

    region: RegionName
    state: Wanted
    kinds: dict[Kind, int]
    total: int
    limit: int
    offset: int
    items: list[Alert]
    absent: list[Absent]
    data: models.Data


def states_of(wanted: Wanted) -> tuple[State, ...]:
    """What a question about states means: `open` alerts are not cleared yet."""
    if wanted == "all":
        return STATES
    return OPEN if wanted == "open" else (wanted,)
