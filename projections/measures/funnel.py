"""What the funnel is made of: people by the stage they have come to, and what was reported of outreach."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from projections import sql
from projections.answers import villages_of
from projections.clickhouse import Database
from projections.measures.within import reported
from projections.stages import Stand, stand

__all__ = ["Outreach", "People", "Stand", "known", "outreach", "people", "stand"]


@dataclass(frozen=True, slots=True)
class People:
    """Counts of the people who entered in a period; see `queries/funnel_people`.

    `persuaded` are all of them; `decided`, `implemented`, `confirmed` came so far or farther, and `registered`,
    `verified`, `activated`, `used` are those of whom that very event is known. `undecided`: activated less than 30
    days ago and not used, so nobody can say yet. `*_before`: reached the stage more than 30 days ago, `*_left`: of
    these, not moved on. `to_*_ms`: quartiles of milliseconds, of `to_*` people; `to_*_reversed` had the two events the
    other way round. `waiting`: registered and not active, by days of waiting: under 1, 3, 7, 30, and longer.
    """

    persuaded: int
    registered: int
    decided: int
    verified: int
    implemented: int
    activated: int
    confirmed: int
    used: int
    undecided: int
    persuaded_before: int
    persuaded_left: int
    decided_before: int
    decided_left: int
    implemented_before: int
    implemented_left: int
    to_decision: int
    to_decision_reversed: int
    to_decision_ms: list[float]
    to_implementation: int
    to_implementation_reversed: int
    to_implementation_ms: list[float]
    to_confirmation: int
    to_confirmation_reversed: int
    to_confirmation_ms: list[float]
    waiting: list[int]


@dataclass(frozen=True, slots=True)
class Outreach:
    """Activities held and the people they met, campaigns and whom they may have reached, as reported."""

    held: int
    reached: int
    campaigns: int
    campaign_reach: int


def people(database: Database, region: int, first: dt.date, last: dt.date, now: dt.datetime) -> People:
    """Those who entered in the region from `first` to `last` (days in western Indonesia), as they stand at `now`.

    Raises DatabaseError.
    """
    low, high = villages_of(region)
    params = {"low": low, "high": high, "first": first, "last": last, "now_ms": int(now.timestamp() * 1000)}
    (row,) = database.rows(sql.query("funnel_people"), params)
    return People(**row)


def known(database: Database, region: int) -> bool:
    """Whether anybody ever entered in the region. Raises DatabaseError."""
    low, high = villages_of(region)
    return bool(database.rows(sql.query("funnel_known"), {"low": low, "high": high}))


def outreach(database: Database, region: int, first: dt.date, last: dt.date) -> Outreach:
    """What offices reported of outreach in the region and within it. Raises DatabaseError."""
    (row,) = database.rows(sql.query("funnel_outreach"), reported(region, first, last))
    return Outreach(**row)
