"""The funnel in Rogers' five stages: shapes of the answer, and counts to figures. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import ConfigDict, Field

from api.measures.shared import Share
from api.models import EXAMPLE_DATA, EXAMPLE_REGION, Absent, Data, Model, RegionName
from projections.measures.funnel import Outreach, People, Stand

StageName = Literal["knowledge", "persuasion", "decision", "implementation", "confirmation"]

MOVE_ON_DAYS = 30
FEWEST_TIMED = 5  # quartiles of fewer people say nothing
WAITED_DAYS: tuple[tuple[int, int | None], ...] = ((0, 1), (1, 3), (3, 7), (7, 30), (30, None))

NO_OUTREACH = "no outreach was reported as held here in this period"
NOBODY = "nobody came to the stage before"
NOBODY_LONG_AGO = f"nobody came to this stage more than {MOVE_ON_DAYS} days ago"
THIN = f"cannot_tell: fewer than {FEWEST_TIMED} people of whom both times are known, in order"
NOT_STAGED = "people are being counted by stage for the first time; ask again later"
FUTURE = "from is in the future"
UNHEARD = "no events and no source reports for this region"


class TimeSpent(Model):
    """Seconds from the stage before, of `people` of whom both times are known; quartiles between two people are
    interpolated. `reversed`: people whose two events are the other way round, left out."""

    people: int
    reversed: int
    first_quartile: float | None
    median: float | None
    third_quartile: float | None


class Stage(Model):
    """A stage. `people` came to it or farther; of `observed` of them its own event is known. `conversion` is from the
    stage before; from knowledge it compares counts of different people (`same_people` false) and may exceed 1.
    `dropped_out`: of those who came to it more than 30 days ago, who has not moved on."""

    stage: StageName
    people: int | None
    observed: int | None
    conversion: Share | None
    same_people: bool
    time_spent: TimeSpent | None
    dropped_out: Share | None


class Waiting(Model):
    """People registered and not yet active, who have waited for `from_days` up to `to_days` (not included)."""

    from_days: int
    to_days: int | None
    people: int


class Reported(Model):
    """Outreach as offices reported it: activities held, campaigns, and whom these may have reached."""

    held: int
    campaigns: int
    campaign_reach: int


class Staged(Model):
    """How far people were counted by stage: `at` a time, and how many inserts of events came after it."""

    at: dt.datetime | None
    inserts_waiting: int


def figures(found: People, told: Outreach) -> dict[str, Any]:
    """The fields of an answer that come from counts, with what is absent of them."""
    stages = [_knowledge(told), _persuasion(found, told), *_later(found)]
    waiting = [
        Waiting(from_days=low, to_days=high, people=people)
        for (low, high), people in zip(WAITED_DAYS, found.waiting, strict=True)
    ]
    return {
        "stages": stages,
        "waiting": waiting,
        "no_registration": found.persuaded - found.registered,
        "undecided": found.undecided,
        "outreach": Reported(held=told.held, campaigns=told.campaigns, campaign_reach=told.campaign_reach),
        "absent": [each for stage in stages for each in _absent(stage)],
    }


def nothing(reason: str) -> dict[str, Any]:
    """The same where nothing can be said."""
    fields = ("stages", "waiting", "no_registration", "undecided", "outreach")
    return {
        "stages": [],
        "waiting": [],
        "no_registration": None,
        "undecided": None,
        "outreach": None,
        "absent": [Absent(field=each, reason=reason) for each in fields],
    }


def staged(stand: Stand) -> Staged:
    """How far the counts go."""
    return Staged(
        at=stand.staged_at if stand.begun and stand.whole else None, inserts_waiting=max(stand.newest - stand.block, 0)
    )


def _knowledge(told: Outreach) -> Stage:
    reached = told.reached if told.held else None
    return _stage("knowledge", reached, reached)


def _persuasion(found: People, told: Outreach) -> Stage:
    return _stage(
        "persuasion",
        found.persuaded,
        found.registered,
        conversion=Share.of(found.persuaded, told.reached) if told.held else None,
        dropped_out=Share.of(found.persuaded_left, found.persuaded_before),
    )


def _later(found: People) -> list[Stage]:
    return [
        _stage(
            "decision",
            found.decided,
            found.verified,
            conversion=Share.of(found.decided, found.persuaded),
            same_people=True,
            time_spent=_time_spent(found.to_decision, found.to_decision_reversed, found.to_decision_ms),
            dropped_out=Share.of(found.decided_left, found.decided_before),
        ),
        _stage(
            "implementation",
            found.implemented,
            found.activated,
            conversion=Share.of(found.implemented, found.decided),
            same_people=True,
            time_spent=_time_spent(
                found.to_implementation, found.to_implementation_reversed, found.to_implementation_ms
            ),
            dropped_out=Share.of(found.implemented_left, found.implemented_before),
        ),
        _stage(
            "confirmation",
            found.confirmed,
            found.used,
            conversion=Share.of(found.confirmed, found.implemented),
            same_people=True,
            time_spent=_time_spent(found.to_confirmation, found.to_confirmation_reversed, found.to_confirmation_ms),
        ),
    ]


def _stage(
    name: StageName,
    people: int | None,
    observed: int | None,
    *,
    conversion: Share | None = None,
    same_people: bool = False,
    time_spent: TimeSpent | None = None,
    dropped_out: Share | None = None,
) -> Stage:
    return Stage(
        stage=name,
        people=people,
        observed=observed,
        conversion=conversion,
        same_people=same_people,
        time_spent=time_spent,
        dropped_out=dropped_out,
    )


def _time_spent(people: int, reverse: int, quartiles_ms: Sequence[float]) -> TimeSpent:
    told = people >= FEWEST_TIMED
    first, median, third = (round(each / 1000, 3) if told else None for each in quartiles_ms)
    return TimeSpent(people=people, reversed=reverse, first_quartile=first, median=median, third_quartile=third)


def _absent(stage: Stage) -> list[Absent]:
    """Why a figure of a stage is null."""
    reasons: dict[str, str] = {}
    if stage.people is None:
        reasons["people"] = NO_OUTREACH
    if stage.stage == "persuasion" and stage.conversion is None:
        reasons["conversion"] = NO_OUTREACH
    if stage.conversion is not None and stage.conversion.value is None:
        reasons["conversion.value"] = NOBODY
    if stage.time_spent is not None and stage.time_spent.median is None:
        reasons["time_spent"] = THIN
    if stage.dropped_out is not None and stage.dropped_out.value is None:
        reasons["dropped_out.value"] = NOBODY_LONG_AGO
    return [Absent(field=f"stages.{stage.stage}.{field}", reason=why) for field, why in reasons.items()]


_PEOPLE = People(
    persuaded=300,
    registered=290,
    decided=250,
    verified=236,
    implemented=220,
    activated=220,
    confirmed=180,
    used=150,
    undecided=32,
    persuaded_before=200,
    persuaded_left=24,
    decided_before=170,
    decided_left=10,
    implemented_before=158,
    implemented_left=8,
    to_decision=230,
    to_decision_reversed=1,
    to_decision_ms=[240_000, 660_000, 86_400_000],
    to_implementation=228,
    to_implementation_reversed=0,
    to_implementation_ms=[300_000, 900_000, 172_800_000],
    to_confirmation=150,
    to_confirmation_reversed=0,
    to_confirmation_ms=[3_600_000, 43_200_000, 345_600_000],
    waiting=[6, 10, 12, 25, 27],
)
_EXAMPLE: dict[str, Any] = {
    "region": EXAMPLE_REGION,
    "from": "2024-04-02",
    "to": "2024-06-30",
    **{
        name: [each.model_dump(mode="json") for each in value] if isinstance(value, list) else value
        for name, value in figures(_PEOPLE, Outreach(held=20, reached=900, campaigns=1, campaign_reach=5000)).items()
    },
    "outreach": {"held": 20, "campaigns": 1, "campaign_reach": 5000},
    "staged": {"at": "2024-06-30T10:00:00Z", "inserts_waiting": 0},
    "data": EXAMPLE_DATA,
}


class FunnelAnswer(Model):
    """How far those came who entered in a period: first registered then (or first activated, where no registration is
    known), by domicile at that event, as they stand now.

    `no_registration` of them have no registration. `undecided`: activated less than 30 days ago and not used yet, so
    nobody can say whether they stay.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, json_schema_extra={"examples": [_EXAMPLE]})

    region: RegionName
    first: dt.date = Field(alias="from")
    last: dt.date = Field(alias="to")
    stages: list[Stage]
    waiting: list[Waiting]
    no_registration: int | None
    undecided: int | None
    outreach: Reported | None
    staged: Staged
    absent: list[Absent]
    data: Data
