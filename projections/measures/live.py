"""The present against last week: events of the regions directly below one, and up to when sources vouch for them."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from events import regions
from projections import sql
from projections.answers import MINUTES_RIGHT_SECONDS, cut_below, villages_of
from projections.clickhouse import Database
from projections.measures.within import ranges_within


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


class Vouched:
    """Up to when sources have sent everything, in milliseconds since 1970. `untils`: by the region they speak for."""

    def __init__(self, untils: Iterable[tuple[int, int]]) -> None:
        self._own = dict(untils)
        self._within: dict[int, int] = {}
        for region, until_ms in self._own.items():
            for above in regions.ancestors_of(region):
                self._within[above] = max(until_ms, self._within.get(above, until_ms))

    def until(self, region: int) -> int | None:
        """The latest of the sources that speak for the region, for one above it or one within it; None: none did."""
        said = [self._own[each] for each in regions.ancestors_of(region) if each in self._own]
        said += [self._within[region]] if region in self._within else []
        return max(said, default=None)


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


def vouched(database: Database, region: int, since: dt.datetime) -> Vouched:
    """What sources vouched for, of a region and all within it, in reports made since a moment. Raises DatabaseError."""
    params: dict[str, object] = {
        "above": tuple(regions.ancestors_of(region)),
        "since_ms": int(since.timestamp() * 1000),
    }
    params |= ranges_within(region)
    return Vouched((row["region"], row["until_ms"]) for row in database.rows(sql.query("live_complete"), params))
