"""What the next visits are chosen by: what visits yielded, why attempts failed, and when somebody was activated."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from events import regions
from projections import sql
from projections.answers import villages_of
from projections.clickhouse import Database
from projections.measures.within import prefix_of


@dataclass(frozen=True, slots=True)
class Held:
    """Outreach held in a region and within it: the last day of all, and of a year's the yield, as the teams counted."""

    place: int
    last: dt.date
    visits: int
    activated: int
    staff_hours: float


@dataclass(frozen=True, slots=True)
class Attempts:
    """Failed attempts of a village's residents, and those for want of a connection."""

    village: int
    failed: int
    no_connectivity: int


def activated(database: Database, villages: Sequence[int], last: dt.date) -> dict[int, dt.date]:
    """The last day up to `last` with an activation; villages without one are left out. Raises DatabaseError."""
    if not villages:
        return {}
    rows = database.rows(sql.query("next_visits_activated"), {"villages": tuple(villages), "last": last})
    return {row["village"]: row["last"] for row in rows}


def held(database: Database, region: int, first: dt.date, last: dt.date) -> dict[int, Held]:
    """By region: those within it, the region itself and those above. Yield since `first`. Raises DatabaseError."""
    params = {
        "above": tuple(regions.ancestors_of(region)),
        "prefix": prefix_of(region),
        "first": first,
        "last": last,
    }
    return {row["place"]: Held(**row) for row in database.rows(sql.query("next_visits_held"), params)}


def failed(database: Database, region: int, first: dt.date, last: dt.date) -> dict[int, Attempts]:
    """By village, those from `first` on. Raises DatabaseError."""
    low, high = villages_of(region)
    params = {"low": low, "high": high, "first": first, "last": last}
    rows = database.rows(sql.query("next_visits_failures"), params)
    return {row["village"]: Attempts(**row) for row in rows}
