"""Next visits, pure: expected yield, the order of villages and the slots kept, and shapes of the answer."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict

from api.measures.shared import Share
from api.models import EXAMPLE_DATA, EXAMPLE_REGION, Absent, Data, Denominator, Model, RegionName
from events import regions
from events.regions import Region
from projections.measures.next_visits import Attempts, Held

YIELD_DAYS = 365
FAILED_DAYS = 90
# What the level above weighs in an expectation, in staff hours: about one visit of a team of four.
PRIOR_STAFF_HOURS = 20
KEPT_SHARE = 0.2
FEWEST_FAILED = 5
MOST_CONNECTIVITY = 0.5

NOTHING_HELD = "cannot_tell: no outreach of the year up to that day with staff and hours is known, here or above"
NOBODY_LEFT = "the denominator holds nobody who is not active"
UNHEARD = "no data: no events and no source reports for this village; nobody is taken to be active"
NEVER_VISITED = "no visit to this village was ever reported"
NEVER_ACTIVATED = "no activation in this village was ever reported"
THIN_FAILED = f"cannot_tell: fewer than {FEWEST_FAILED} failed attempts in {FAILED_DAYS} days"


class Level(Model):
    """Visits of the year up to `as_of` in a region and within it. `expected`: activations per staff hour, its own
    `activated / staff_hours` drawn towards the level above it."""

    region: RegionName
    visits: int
    activated: int
    staff_hours: float
    expected: float


class Why(Model):
    """What a village is ranked by. `active` null: nothing was heard of it, and `not_yet_active` is at most.

    `expected_from`: the lowest level with visits; `levels` say how the expectation came about. `no_connectivity`: of
    the attempts that failed in 90 days.
    """

    not_yet_active: int
    active: int | None
    denominator: Denominator
    expected_per_staff_hour: float
    expected_from: str
    levels: list[Level]
    last_visit: dt.date | None
    last_activation: dt.date | None
    no_connectivity: Share


class Visit(Model):
    """A village to go to. `score` is people not yet active times expected activations per staff hour. `kept_slot`: it
    is here for the slots kept for blank spots and villages never visited, not by its score."""

    rank: int
    region: RegionName
    score: float
    kept_slot: bool
    blank_spot: bool
    never_visited: bool
    why: Why
    absent: list[Absent]


class NotRanked(Model):
    """A village that can't be ranked."""

    region: RegionName
    reason: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a village. `active` None: nothing was heard. `denominator`: a reason where there is none."""

    region: Region
    active: int | None
    denominator: Denominator | str
    failed: Attempts | None


@dataclass(frozen=True, slots=True)
class Scored:
    """A village with its place in the order."""

    known: Known
    denominator: Denominator
    left: int
    expected: float
    last_visit: dt.date | None

    @property
    def score(self) -> float:
        return self.left * self.expected

    @property
    def blank_spot(self) -> bool:
        failed = self.known.failed
        return (
            failed is not None
            and failed.failed >= FEWEST_FAILED
            and failed.no_connectivity > MOST_CONNECTIVITY * failed.failed
        )

    @property
    def deserves_slot(self) -> bool:
        return self.blank_spot or self.last_visit is None


class Yields:
    """Expected activations per staff hour: each level's own visits, drawn towards the level above."""

    def __init__(self, held: Mapping[int, Held]) -> None:
        self._held = held
        self._expected: dict[int, float | None] = {}

    def expected(self, region: int) -> float | None:
        """None where nothing was held with staff and hours, in the region, within or above it."""
        if region not in self._expected:
            parent = regions.parent_of(region)
            above = None if parent is None else self.expected(parent)
            self._expected[region] = shrunk(self._held.get(region), above)
        return self._expected[region]

    def last_visit(self, village: int) -> dt.date | None:
        held = self._held.get(village)
        return None if held is None else held.last

    def levels(self, village: int) -> list[Level]:
        """From the nation down, those that have visits."""
        found = []
        for each in sorted(regions.ancestors_of(village)):
            held, expected = self._held.get(each), self.expected(each)
            if held is not None and held.visits and expected is not None:
                found.append(
                    Level(
                        region=RegionName.of(regions.region(each)),
                        visits=held.visits,
                        activated=held.activated,
                        staff_hours=round(held.staff_hours, 3),
                        expected=round(expected, 6),
                    )
                )
        return found


def shrunk(held: Held | None, above: float | None) -> float | None:
    """A level's yield: its own where nothing is known above it, that of the level above where it has no visits."""
    if held is None or not held.visits:
        return above
    if above is None:
        return held.activated / held.staff_hours
    return (held.activated + PRIOR_STAFF_HOURS * above) / (held.staff_hours + PRIOR_STAFF_HOURS)


def figures(
    known: Sequence[Known],
    held: Mapping[int, Held],
    limit: int,
    activated: Callable[[Sequence[int]], Mapping[int, dt.date]],
) -> dict[str, Any]:
    """The fields of an answer that come from what is known of each village. `activated`: the last day with an
    activation of some villages, asked of those shown alone."""
    yields = Yields(held)
    scored: list[Scored] = []
    unranked: list[NotRanked] = []
    for each in known:
        found = _scored(each, yields)
        if isinstance(found, Scored):
            scored.append(found)
        else:
            unranked.append(NotRanked(region=RegionName.of(each.region), reason=found))
    ordered = sorted(scored, key=_order)
    by_score = {each.known.region.number for each in ordered[:limit]}
    chosen = chosen_of(ordered, limit)
    last = activated([each.known.region.number for each in chosen])
    return {
        "visits": [
            _visit(rank, each, yields, last.get(each.known.region.number), each.known.region.number not in by_score)
            for rank, each in enumerate(chosen, 1)
        ],
        "slots_kept": kept(limit),
        "ranked": len(scored),
        "not_ranked": len(unranked),
        "not_ranked_first": unranked[:limit],
    }


def kept(limit: int) -> int:
    """How many of so many slots are kept."""
    return math.ceil(limit * KEPT_SHARE)


def chosen_of(ordered: Sequence[Scored], limit: int) -> list[Scored]:
    """The best; where too few of them deserve the slots kept, the next in line that do replace the last others."""
    best, rest = list(ordered[:limit]), ordered[limit:]
    wanting = max(kept(limit) - sum(each.deserves_slot for each in best), 0)
    coming = [each for each in rest if each.deserves_slot][:wanting]
    others = [each.known.region.number for each in best if not each.deserves_slot]
    leaving = set(others[max(len(others) - len(coming), 0) :])
    staying = [each for each in best if each.known.region.number not in leaving]
    return sorted([*staying, *coming][:limit], key=_order)


def _order(each: Scored) -> tuple[float, int]:
    return -each.score, each.known.region.number


def _scored(known: Known, yields: Yields) -> Scored | str:
    if isinstance(known.denominator, str):
        return known.denominator
    left = known.denominator.value - (known.active or 0)
    if left <= 0:
        return NOBODY_LEFT
    expected = yields.expected(known.region.number)
    if expected is None:
        return NOTHING_HELD
    return Scored(known, known.denominator, left, expected, yields.last_visit(known.region.number))


def _visit(rank: int, each: Scored, yields: Yields, last_activation: dt.date | None, kept_slot: bool) -> Visit:
    known = each.known
    levels = yields.levels(known.region.number)
    share = _no_connectivity(known.failed)
    why = Why(
        not_yet_active=each.left,
        active=known.active,
        denominator=each.denominator,
        expected_per_staff_hour=round(each.expected, 6),
        expected_from=levels[-1].region.level,
        levels=levels,
        last_visit=each.last_visit,
        last_activation=last_activation,
        no_connectivity=share,
    )
    missing = {
        "why.active": UNHEARD if known.active is None else None,
        "why.last_visit": NEVER_VISITED if each.last_visit is None else None,
        "why.last_activation": NEVER_ACTIVATED if last_activation is None else None,
        "why.no_connectivity.value": THIN_FAILED if share.value is None else None,
    }
    return Visit(
        rank=rank,
        region=RegionName.of(known.region),
        score=round(each.score, 6),
        kept_slot=kept_slot,
        blank_spot=each.blank_spot,
        never_visited=each.last_visit is None,
        why=why,
        absent=[Absent(field=field, reason=reason) for field, reason in missing.items() if reason],
    )


def _no_connectivity(failed: Attempts | None) -> Share:
    if failed is None:
        return Share.of(0, 0)
    return Share.of(failed.no_connectivity, failed.failed, FEWEST_FAILED)


_EXAMPLE_VISIT: dict[str, Any] = {
    "rank": 1,
    "region": {"code": "61.01.08.2002", "name": "Temajuk", "level": "village"},
    "score": 1904.0,
    "kept_slot": True,
    "blank_spot": True,
    "never_visited": False,
    "why": {
        "not_yet_active": 1400,
        "active": 100,
        "denominator": {
            "value": 1500,
            "basis": "recorded",
            "vintage": "2024-06-30",
            "estimated": True,
            "source": "DKB",
            "method": "an equal share of what district 61.01.08 leaves to 8 villages without a count",
        },
        "expected_per_staff_hour": 1.36,
        "expected_from": "district",
        "levels": [
            {
                "region": {"code": "61.01.08", "name": "Paloh", "level": "district"},
                "visits": 3,
                "activated": 120,
                "staff_hours": 78.0,
                "expected": 1.36,
            }
        ],
        "last_visit": "2022-06-20",
        "last_activation": "2024-06-20",
        "no_connectivity": {"numerator": 9, "denominator": 12, "value": 0.75},
    },
    "absent": [],
}
_EXAMPLE: dict[str, Any] = {
    "region": EXAMPLE_REGION,
    "as_of": "2024-06-30",
    "basis": "recorded",
    "visits": [_EXAMPLE_VISIT],
    "slots_kept": 4,
    "ranked": 190,
    "not_ranked": 5,
    "not_ranked_first": [],
    "absent": [],
    "data": EXAMPLE_DATA,
}


class NextVisits(Model):
    """Where a team could go next, best first. `slots_kept` of the slots asked for are for blank spots and villages
    never visited. `not_ranked` villages can't be ranked; the first of them are listed with the reason."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [_EXAMPLE]})

    region: RegionName
    as_of: dt.date
    basis: str
    visits: list[Visit]
    slots_kept: int
    ranked: int
    not_ranked: int
    not_ranked_first: list[NotRanked]
    absent: list[Absent]
    data: Data
