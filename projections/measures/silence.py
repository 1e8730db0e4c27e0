"""Who has spoken for a region, when, and how long their silences were before."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from events import regions
from projections import sql
from projections.clickhouse import Database
from projections.measures.within import ranges_within

YEAR_MS = 366 * 86_400_000
NOBODY = -1  # no region has it: a list in a statement can't be empty


@dataclass(frozen=True, slots=True)
class Said:
    """When a source last spoke of a region, and up to when it has sent everything; milliseconds since 1970."""

    source: str
    region: int
    reported_ms: int
    complete_ms: int


@dataclass(frozen=True, slots=True)
class Gaps:
    """What a source's last report of a region tells of, and its silences between two reports in the last year: `longer`
    of them longer than the present one; `median_ms` of them, 0 where there is none."""

    events_sent: int
    gaps: int
    longer: int
    median_ms: int


def said(database: Database, region: int, now: dt.datetime) -> list[Said]:
    """What was said by `now` of the region, of those within it and of those above it. Raises DatabaseError."""
    params = {"above": tuple(regions.ancestors_of(region)), "now_ms": _ms(now), **ranges_within(region)}
    return [Said(**row) for row in database.rows(sql.query("silence_stand"), params)]


def gaps(database: Database, whom: Sequence[Said], now: dt.datetime) -> dict[tuple[str, int], Gaps]:
    """By source and region. It reads a year of their reports: ask for those alone that are shown.

    Raises DatabaseError.
    """
    if not whom:
        return {}
    params = {"whom": tuple((each.region, each.source) for each in whom), "now_ms": _ms(now), "year_ms": YEAR_MS}
    rows = database.rows(sql.query("silence_gaps"), params)
    return {(row.pop("source"), row.pop("region")): Gaps(**row) for row in rows}


def activations(
    database: Database, codes: Sequence[int], first: dt.date, last: dt.date
) -> dict[int, dict[dt.date, int]]:
    """Activations of residents by region and day, both days included; days without any are left out."""
    found: dict[int, dict[dt.date, int]] = defaultdict(dict)
    params = {"regions": (NOBODY, *codes) if not codes else tuple(codes), "first": first, "last": last}
    for row in database.rows(sql.query("silence_activations"), params):
        found[row["region"]][row["day"]] = row["activated"]
    return found


def _ms(at: dt.datetime) -> int:
    return round(at.timestamp() * 1000)
