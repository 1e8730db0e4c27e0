"""What outreach changed: activities held, activations that name them, and villages by day with a visit and without."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from projections import sql
from projections.answers import villages_of
from projections.clickhouse import Database
from projections.measures.within import reported


@dataclass(frozen=True, slots=True)
class Visit:
    """An activity that was held, as recorded last. `reported`: activations as its office told them."""

    outreach_id: str
    region: int
    day: dt.date
    kind: str
    staff_hours: float
    reported: int


@dataclass(frozen=True, slots=True)
class Village:
    """A village by day. `heard`: the first day that events name. `days` are counted from the first day asked for; of
    each, people who became active there and by how many the active ones changed. `active_before`: active before it."""

    village: int
    heard: dt.date
    active_before: int
    days: list[int]
    activated: list[int]
    changes: list[int]


def visits(database: Database, region: int, first: dt.date, last: dt.date) -> list[Visit]:
    """What was held in a region and within it. Raises DatabaseError."""
    return [Visit(**row) for row in database.rows(sql.query("outreach_visits"), reported(region, first, last))]


def on_the_spot(database: Database, region: int, first: dt.date, last: dt.date) -> dict[str, int]:
    """Activations by the activity that they name. Raises DatabaseError."""
    rows = database.rows(sql.query("outreach_on_the_spot"), reported(region, first, last))
    return {row["outreach"]: row["activated"] for row in rows}


def villages(database: Database, region: int, first: dt.date, last: dt.date) -> list[Village]:
    """Villages of a region that events have named. Raises DatabaseError."""
    low, high = villages_of(region)
    params = {"low": low, "high": high, "first": first, "last": last}
    return [Village(**row) for row in database.rows(sql.query("outreach_villages"), params)]
