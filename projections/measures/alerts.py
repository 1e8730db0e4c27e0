"""What alerts are found from, where no measure asks the same: the whole nation at once, and cheaply."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from projections import sql
from projections.clickhouse import Database
from projections.measures.silence import YEAR_MS


class Speaker(NamedTuple):
    """A source, and a region that it speaks for."""

    region: int
    source: str


@dataclass(frozen=True, slots=True)
class Gaps:
    """How many gaps there were between two reports, and the length that most of them don't exceed, milliseconds."""

    gaps: int
    longest_ms: int


@dataclass(frozen=True, slots=True)
class Differing:
    """Open differences of a topic in a province; of the nation 0. `since_ms`: when the first was found."""

    topic: str
    region: int
    events: int
    since_ms: int


def gaps(database: Database, speakers: Collection[Speaker], now_ms: int, share: Fraction) -> dict[Speaker, Gaps]:
    """The gaps of some sources in the last year, and the length that a share of them don't exceed.

    Raises DatabaseError.
    """
    if not speakers:
        return {}
    params = {
        "pairs": tuple(map(tuple, speakers)),
        "since_ms": now_ms - YEAR_MS,
        "now_ms": now_ms,
        "part": share.numerator,
        "whole": share.denominator,
    }
    rows = database.rows(sql.query("alert_gaps"), params)
    return {Speaker(row["region"], row["source"]): Gaps(row["gaps"], row["longest_ms"]) for row in rows}


def failures(database: Database, first: dt.date, last: dt.date) -> dict[int, dict[dt.date, Counter[str]]]:
    """Failed attempts by regency, day and reason, both days included; what has none is left out."""
    found: dict[int, dict[dt.date, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for row in database.rows(sql.query("alert_failures"), {"first": first, "last": last}):
        found[row["region"]][row["day"]][row["reason"]] = row["attempts"]
    return found


def differences(database: Database) -> list[Differing]:
    """Open differences between log and tables."""
    return [Differing(**row) for row in database.rows(sql.query("alert_differences"))]
