"""target_at_risk: at the pace of the last weeks, a target that ends on a day will hardly be met by then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from api import coverage
from api.coverage import Facts, Missing
from api.measures import pace
from api.measures.shared import ONE_DAY, Share
from cakupan.alerts.finding import Finding, Key, midnight_ms
from events import regions
from events.jsonform import WIB
from events.regions import Region
from projections import facts
from projections.clickhouse import Database
from projections.facts import References
from projections.measures.pace import history

WATCHED = ("nation", "province", "regency")
WEEKS = 8
RAISE_AT, CLEAR_AT = 0.9, 0.7  # the chance of missing it


@dataclass(frozen=True, slots=True)
class Risk:
    """How likely a target is missed. `runs`: those that meet it; None: it is met, or none that ends holds any more."""

    deadline: dt.date | None
    runs: Share | None


def find(database: Database, now: dt.datetime, open_: Collection[Key]) -> Iterator[Finding]:
    """Every regency, province and the nation whose target has a last day, its own or that of the nearest above it."""
    today = now.astimezone(WIB).date()
    references = facts.references(database)
    for region in regions.by_number().values():
        if region.level in WATCHED:
            key = Key("target_at_risk", region.number)
            found = risk(database, references, region, today)
            if found is not None and (found.deadline is not None or key in open_):
                yield finding(key, found, today)


def risk(database: Database, references: References, region: Region, today: dt.date) -> Risk | None:
    """What the tables say of one region's target; None: it can't be told whether it will be met."""
    asked = coverage.Asked(today, today)
    reference = references.about([region.number], today)
    target = coverage.target_of(region, asked, reference)
    if isinstance(target, Missing) or target.valid_to is None:
        return Risk(None, None)
    past = history(database, region.number, today - ONE_DAY)
    if past is None:
        return None
    figures = coverage.figures(region, asked, Facts({region.number: sum(past.changes)}, set(), reference))
    weeks = pace.weeks_of(past.changes, WEEKS)
    if figures.missing is None or figures.numerator is None or weeks is None:
        return None
    if figures.missing <= 0:
        return Risk(target.valid_to, None)
    until = pace.Asked(today - ONE_DAY, target.valid_to, WEEKS)
    runs = pace.chance(figures.numerator.value, figures.missing, weeks, until)
    return None if isinstance(runs, Missing) else Risk(target.valid_to, runs)


def finding(key: Key, found: Risk, today: dt.date) -> Finding:
    """The chance of missing the target."""
    measured, runs = 0.0, found.runs
    if found.deadline is None:
        reason = "no target that ends on a day holds any more"
    elif runs is None:
        reason = f"the target of {found.deadline} is met"
    else:
        missed = runs.denominator - runs.numerator
        measured = missed / runs.denominator
        reason = f"the target of {found.deadline} is missed in {missed:,} of {runs.denominator:,} runs"
    return Finding(key, measured, RAISE_AT, CLEAR_AT, midnight_ms(today), reason)
