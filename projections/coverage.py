"""Answers that change: which regions to look at, and what stands there now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable
from dataclasses import dataclass
from fractions import Fraction

from events import regions
from projections import answers, facts, sql
from projections.base import EPOCH
from projections.clickhouse import Database
from projections.facts import References

BASES = ("recorded", "wajib_ktp", "holders", "population")
NO_TARGET = "unknown"
MOST_FOUND = 5_000  # regions that are looked up by key

TABLE = "coverage_day"


@dataclass(frozen=True, slots=True)
class Share:
    """A target as an exact share of a basis, and whose it is."""

    basis: str
    numerator: int
    denominator: int
    region: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a region's answer is made of. `counts`: for each of BASES people and the day (days since 1970) that the
    latest published count stands for, or None; estimates are left out."""

    active: int
    counts: tuple[tuple[int, int] | None, ...]
    target: Share | None


class Standings:
    """What stands on a day. Counts and targets of a region are looked up once."""

    def __init__(self, references: References, day: dt.date) -> None:
        self._references = references
        self._day = day
        self._known: dict[int, tuple[tuple[tuple[int, int] | None, ...], Share | None]] = {}

    def of(self, region: int, active: int) -> Standing:
        """What stands for a region with so many active people."""
        return Standing(active, *self._facts(region))

    def _facts(self, region: int) -> tuple[tuple[tuple[int, int] | None, ...], Share | None]:
        if region not in self._known:
            found = self._references.on([region], self._day)
            counts = [found.denominators.get((region, basis, False)) for basis in BASES]
            own = found.targets.get(region)
            above = regions.parent_of(region)
            target = _share(own) if own else self._facts(above)[1] if above is not None else None
            self._known[region] = tuple(_count(each) for each in counts), target
        return self._known[region]


def written_since(database: Database, block: int) -> set[int]:
    """Regions with rows in blocks of TABLE behind this one."""
    rows = database.rows(sql.query("coverage_changed_regions"), {"seen": block})
    return {row["region"] for row in rows}


def active_now(database: Database, day: dt.date) -> dict[int, int]:
    """Active people at the end of a day in every region that events have named."""
    rows = database.rows(sql.query("coverage_now"), {"as_of": day})
    return {row["region"]: row["active"] for row in rows}


def active_in(database: Database, codes: Iterable[int], day: dt.date) -> dict[int, int]:
    """The same of some regions. Of very many, all are read: once through the table costs less than to find them."""
    wanted = set(codes)
    if len(wanted) > MOST_FOUND:
        return {region: active for region, active in active_now(database, day).items() if region in wanted}
    return answers.active_people(database, sorted(wanted), day)


def heard_of(database: Database, known: Container[int], among: Iterable[int]) -> list[int]:
    """Regions `among` these, beside the `known` ones, that some source speaks for: 0 is an answer there."""
    sources = facts.sources(database)
    return [each for each in among if each not in known and sources.heard(each)]


def mark(database: Database) -> str:
    """Another one, once a rebuild has put new tables in place."""
    (row,) = database.rows(sql.query("coverage_mark"))
    return str(row["mark"])


def _count(denominator: answers.Denominator | None) -> tuple[int, int] | None:
    if denominator is None or denominator.value is None or denominator.vintage is None:
        return None
    return denominator.value, (denominator.vintage - EPOCH).days


def _share(target: answers.Target) -> Share:
    exact = Fraction(str(target.ratio))
    return Share(target.basis, exact.numerator, exact.denominator, target.region)
