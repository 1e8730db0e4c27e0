"""Where people were served, and where they live."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from projections import answers, sql
from projections.clickhouse import Database
from projections.measures.within import ranges_within


@dataclass(frozen=True, slots=True)
class Served:
    """Activations made by an office (a region of any level) of people who live in a part of the region asked about, one
    directly below it or, of a village, itself. `part` 0: they live outside the region."""

    office: int
    part: int
    activations: int


def served(database: Database, region: int, first: dt.date, last: dt.date) -> list[Served]:
    """Activations of the region's residents and by offices within it, on days from `first` to `last`, both included.

    Raises DatabaseError.
    """
    low, high = answers.villages_of(region)
    params = {
        "low": max(low, 1),
        "high": high,
        "width": answers.cut_below(region),
        "first": first,
        "last": last,
    }
    params |= {"region": region, **ranges_within(region)}
    return [Served(**row) for row in database.rows(sql.query("served"), params)]
