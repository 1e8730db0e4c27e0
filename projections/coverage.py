"""Answers that change: which regions to look at, and what stands there now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Hashable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from events import regions
from projections import answers, blocks, facts, lines, sql
from projections.base import EPOCH
from projections.clickhouse import Database
from projections.facts import References

BASES = ("recorded", "wajib_ktp", "holders", "population")
NO_TARGET = "unknown"
MOST_FOUND = 5_000  # regions that are looked up by key: once through the table costs less than to find more
MOST_WRITTEN = 500_000  # days of regions
LATELY = 1  # days before the present one of which each region's change is held

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


class Counts:
    """Active people at the end of a day by region, kept up by what changed on that day and the one before.

    To add up all days of 1,400 regions with a nation's behind them takes 1.2 s of CPU, to read what changed 0.02 s. A
    region that changed on an earlier day is added up anew, and so is one written to after rows were mended or deleted.
    Methods raise DatabaseError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._day = dt.date.min
        self._identity: Hashable = None
        self._everywhere = False  # of a region that is not held nobody is active
        self._active: dict[int, int] = {}
        self._lately: dict[tuple[int, int], int] = {}  # region, day since 1970
        self._counted = lines.Counted()

    def everywhere(self, day: dt.date, table: blocks.Table) -> dict[int, int]:
        """Of every region that events have named. `table`: what TABLE consisted of before."""
        self._forget(day, table.identity)
        self._take_in("coverage_now", {})
        self._everywhere = True
        return dict(self._active)

    def written(self, block: int, table: blocks.Table) -> dict[int, int]:
        """The same of regions with rows in blocks of TABLE behind this one; of very many written days, of all."""
        if table.identity != self._identity:
            self._forget(self._day, table.identity)
        fresh = lines.fresh(self._database, block, MOST_WRITTEN, self._counted)
        if fresh is None:
            return self.everywhere(self._day, table)
        today = (self._day - EPOCH).days
        again = {region for region, day, *_ in fresh if day < today - LATELY or not self._holds(region)}
        if len(again) > MOST_FOUND:
            return self.everywhere(self._day, table)
        self._counted = self._counted.after(fresh)
        for region, day, _, change, *_ in fresh:
            if region not in again and day <= today:
                self._active[region] = self._active.get(region, 0) + change - self._lately.get((region, day), 0)
                self._lately[region, day] = change
        if again:
            self._take_in("coverage_counts", {"regions": tuple(again)})
        return {region: self._active.get(region, 0) for region, *_ in fresh}

    def _holds(self, region: int) -> bool:
        return self._everywhere or region in self._active

    def _take_in(self, query: str, params: Mapping[str, Any]) -> None:
        days = {"as_of": self._day, "lately": self._day - dt.timedelta(days=LATELY)}
        for row in self._database.rows(sql.query(query), {**params, **days}):
            self._active[row["region"]] = row["active"]
            self._lately |= {(row["region"], day): change for day, change in row["lately"]}

    def _forget(self, day: dt.date, identity: Hashable) -> None:
        self._day, self._identity, self._everywhere = day, identity, False
        self._active, self._lately, self._counted = {}, {}, lines.Counted()


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
