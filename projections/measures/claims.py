"""Figures as somebody printed them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from projections import sql
from projections.clickhouse import Database


@dataclass(frozen=True, slots=True)
class Printed:
    """A figure that was reported on a day. `claim`: count, coverage, attainment or unclear; `basis` may be unknown."""

    reported_on: dt.date
    printed: str
    claim: str
    basis: str
    origin: str
    source: str


def printed(database: Database, region: int) -> list[Printed]:
    """All figures of a region, the latest first. Raises DatabaseError."""
    return [Printed(**row) for row in database.rows(sql.query("claims"), {"region": region})]
