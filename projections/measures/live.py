"""The present against last week: events of the regions directly below one."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass

from projections import sql
from projections.answers import MINUTES_RIGHT_SECONDS, cut_below, villages_of
from projections.clickhouse import Database


@dataclass(frozen=True, slots=True)
class Counted:
    """Events of one region and channel in one span of time."""

    region: int
    channel: str
    events: int
    registered: int
    activated: int
    failed: int
    deactivated: int


def counted(database: Database, region: int, begin: dt.datetime, end: dt.datetime) -> list[Counted]:
    """Events of the residents of each region directly below, of a village its own, from `begin` up to `end`.

    Both are whole minutes, a day apart at most. Raises DatabaseError.
    """
    span = {"begin": int(begin.timestamp()), "end": int(end.timestamp())}
    low, high = villages_of(region)
    cut = cut_below(region)
    if span["end"] >= time.time() - MINUTES_RIGHT_SECONDS:
        rows = database.rows(sql.query("live_recent"), {**span, "first": max(low // cut, 1), "last": high // cut})
    else:
        rows = database.rows(sql.query("live_older"), {**span, "low": low, "high": high, "cut": cut})
    return [Counted(**row) for row in rows]


def first_days(database: Database, codes: Sequence[int]) -> dict[int, dt.date]:
    """The first day of each region's data; those that no event has named are left out. Raises DatabaseError."""
    rows = database.rows(sql.query("live_first_days"), {"regions": tuple(codes)})
    return {row["region"]: row["first"] for row in rows}
