"""The present against last week, pure: shapes of the answer, and counts to figures, each given or with a reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from pydantic import ConfigDict, Field

from api.clocks import midnight
from api.coverage import rounded
from api.models import EXAMPLE_DATA, EXAMPLE_REGION, Absent, Counts, Data, Denominator, Model, RegionName
from api.parameters import Basis
from events.jsonform import WIB
from events.regions import Region
from projections.answers import Count
from projections.facts import Sources
from projections.measures.live import Counted

WindowName = Literal["minute", "hour", "day", "today"]

WEEK = dt.timedelta(days=7)
DAY = dt.timedelta(days=1)
SECONDS: dict[WindowName, int] = {"minute": 60, "hour": 3600, "day": 86_400}
# A source that has vouched for nothing since so long before a window began is silent in it: reports come every few
# minutes at most, and a window of a minute has always just passed what they vouch for.
SILENT = dt.timedelta(hours=1)
FEWEST_COMPARED = 5
TOP = 5
PER = 1000

FUTURE = "at is in the future"
UNHEARD = "no data: nothing had been heard of this region by then, neither an event nor a source"
SILENCE = "no data: there are no events, and the sources for this region were silent"
THIN = f"cannot_tell: fewer than {FEWEST_COMPARED} activations at this time of last week"
NOBODY = "the denominator is 0"


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment up to another; whole minutes."""

    begin: dt.datetime
    end: dt.datetime

    def week_before(self) -> Span:
        return Span(self.begin - WEEK, self.end - WEEK)


@dataclass(frozen=True)
class Heard:
    """What tells "none" from "no data": the first days of regions' data, and when sources spoke."""

    first_days: Mapping[int, dt.date]
    sources: Sources

    def silent(self, region: int, span: Span) -> str | None:
        """Why a span without any event of the region is no data; None where it is 0."""
        first = self.first_days.get(region)
        named = first is not None and first <= _day_of_last_minute(span.end)
        if not named and not self.sources.heard(region, _ms(span.end) - 1):
            return UNHEARD
        since = _ms(span.begin - SILENT)
        return SILENCE if self.sources.heard(region, since) and not self.sources.vouch(region, since) else None


class Ratio(Model):
    """`value` is numerator / denominator (times 1,000 where it says so), rounded to six places and never clamped."""

    numerator: int | None
    denominator: int | None
    value: float | None


class Side(Model):
    """Events of one span of time, in total and by channel. `total` is null where there is no data."""

    start: dt.datetime = Field(alias="from")
    end: dt.datetime = Field(alias="to")
    total: Counts | None
    channels: dict[str, Counts]


class Compared(Model):
    """A window and the same one a week before. `today` begins at midnight in western Indonesia. `activated` divides the
    activations of the window by those of a week before."""

    window: WindowName
    now: Side
    week_before: Side
    activated: Ratio


class People(Model):
    """People with an active IKD, by domicile, before the day that `at` lies in and at its end (of today: so far)."""

    day: dt.date
    day_before: int | None
    day_end: int | None


class Child(Model):
    """A region directly below. `activated`: its activations today; `per_thousand`: those for each 1,000 of the
    denominator; `against_week`: divided by those of last week up to the same time of day."""

    region: RegionName
    activated: int
    week_before: int | None
    denominator: Denominator | None
    per_thousand: Ratio
    against_week: Ratio
    absent: list[Absent]


class Ranking(Model):
    """Codes, best first in `leaders`, worst first in `laggards`; nobody is in both. `unranked` have no figure."""

    leaders: list[str]
    laggards: list[str]
    unranked: list[str]


class WithoutData(Model):
    """A region of which nothing can be said."""

    region: RegionName
    reason: str


@dataclass(frozen=True, slots=True)
class Below:
    """What was counted of a region directly below; counts None with their reasons where there is no data."""

    region: Region
    today: int | None
    today_reason: str | None
    week: int | None
    week_reason: str | None
    denominator: Denominator | None
    denominator_reason: str | None


def spans(end: dt.datetime) -> dict[WindowName, Span]:
    """The windows that end with a whole minute."""
    found = {name: Span(end - dt.timedelta(seconds=seconds), end) for name, seconds in SECONDS.items()}
    today = midnight(_day_of_last_minute(end)).astimezone(dt.UTC)
    return {**found, "today": Span(today, end)}


def of_window(counts: Iterable[Count], name: WindowName) -> list[Count]:
    """The counts of one of the windows of `answers.rates`."""
    return [each for each in counts if each.seconds == SECONDS[name]]


def compared(
    name: WindowName,
    span: Span,
    now: Sequence[Count | Counted],
    week: Sequence[Count | Counted],
    silent: Callable[[Span], str | None],
) -> tuple[Compared, list[Absent]]:
    """A window beside the one of last week, and what is absent of it."""
    sides, absent = [], []
    for field, at, counts in (("now", span, now), ("week_before", span.week_before(), week)):
        reason = None if counts else silent(at)
        sides.append(_side(at, counts, known=reason is None))
        absent += [Absent(field=f"windows.{name}.{field}.total", reason=reason)] if reason else []
    activated, reason = _against(*(each.total.activated if each.total else None for each in sides))
    # A side without data has been named.
    absent += [Absent(field=f"windows.{name}.activated.value", reason=reason)] if reason else []
    return Compared(window=name, now=sides[0], week_before=sides[1], activated=activated), absent


def child(found: Below) -> Child | WithoutData:
    """The figures of a region below."""
    name = RegionName.of(found.region)
    if found.today is None:
        return WithoutData(region=name, reason=found.today_reason or UNHEARD)
    below = found.denominator.value if found.denominator else None
    rate = Ratio(numerator=found.today, denominator=below, value=_rounded(found.today * PER, below))
    against, thin = _against(found.today, found.week)
    reasons = {
        "week_before": found.week_reason,
        "denominator": found.denominator_reason,
        "per_thousand.value": found.denominator_reason or (NOBODY if rate.value is None else None),
        "against_week.value": found.week_reason or thin,
    }
    return Child(
        region=name,
        activated=found.today,
        week_before=found.week,
        denominator=found.denominator,
        per_thousand=rate,
        against_week=against,
        absent=[Absent(field=field, reason=reason) for field, reason in reasons.items() if reason],
    )


def ranking(children: Sequence[Child], figure: Callable[[Child], float | None]) -> Ranking:
    """The first and the last few of those that have the figure, equals by code. Of fewer, each half is shown."""
    told = [(value, each.region.code) for each in children if (value := figure(each)) is not None]
    best_first = [code for _, code in sorted(told, key=lambda each: (-each[0], each[1]))]
    few = min(TOP, len(best_first) // 2)
    ranked = set(best_first)
    return Ranking(
        leaders=best_first[:few],
        laggards=best_first[::-1][:few],
        unranked=[each.region.code for each in children if each.region.code not in ranked],
    )


def rankings(children: Sequence[Child]) -> dict[str, Ranking]:
    """Both rankings."""
    return {
        "per_thousand": ranking(children, lambda each: each.per_thousand.value),
        "against_week": ranking(children, lambda each: each.against_week.value),
    }


def nothing(end: dt.datetime, reason: str) -> dict[str, Any]:
    """The fields of an answer where nothing can be said."""
    return {
        "windows": [compared(name, span, [], [], lambda _: reason)[0] for name, span in spans(end).items()],
        "people": None,
        "basis": None,
        "children": [],
        "rankings": rankings([]),
        "without_data": [],
        "absent": [Absent(field=each, reason=reason) for each in ("windows", "people", "basis", "children")],
    }


def counts_of(counts: Iterable[Count | Counted]) -> Counts:
    """The sum."""
    given = list(counts)
    names = ("events", "registered", "activated", "failed", "deactivated")
    return Counts(**{name: sum(getattr(each, name) for each in given) for name in names})


def day_of(end: dt.datetime) -> dt.date:
    """The day in western Indonesia that the minute before `end` lies in."""
    return _day_of_last_minute(end)


def _side(span: Span, counts: Sequence[Count | Counted], *, known: bool) -> Side:
    names = sorted({each.channel for each in counts})
    channels = {name: counts_of(each for each in counts if each.channel == name) for name in names}
    total = counts_of(counts) if known else None
    return Side.model_validate({"from": span.begin, "to": span.end, "total": total, "channels": channels})


def _against(now: int | None, week: int | None) -> tuple[Ratio, str | None]:
    """Activations against last week's; a reason where there are too few to compare with."""
    thin = now is not None and week is not None and week < FEWEST_COMPARED
    value = None if thin or now is None or week is None else _rounded(now, week)
    return Ratio(numerator=now, denominator=week, value=value), THIN if thin else None


def _rounded(numerator: int, denominator: int | None) -> float | None:
    return rounded(Fraction(numerator, denominator)) if denominator else None


def _day_of_last_minute(end: dt.datetime) -> dt.date:
    return (end - dt.timedelta(minutes=1)).astimezone(WIB).date()


def _ms(at: dt.datetime) -> int:
    return int(at.timestamp() * 1000)


def _example_side(begin: str, end: str, activated: int) -> dict[str, Any]:
    counts = {"events": activated + 4, "registered": 3, "activated": activated, "failed": 1, "deactivated": 0}
    return {"from": begin, "to": end, "total": counts, "channels": {"office": counts}}


_EXAMPLE: dict[str, Any] = {
    "region": {"code": "61", "name": "Kalimantan Barat", "level": "province"},
    "at": "2024-06-30T03:00:30Z",
    "basis": "recorded",
    "windows": [
        {
            "window": "hour",
            "now": _example_side("2024-06-30T02:01:00Z", "2024-06-30T03:01:00Z", 12),
            "week_before": _example_side("2024-06-23T02:01:00Z", "2024-06-23T03:01:00Z", 10),
            "activated": {"numerator": 12, "denominator": 10, "value": 1.2},
        }
    ],
    "people": {"day": "2024-06-30", "day_before": 43300, "day_end": 43336},
    "children": [
        {
            "region": EXAMPLE_REGION,
            "activated": 80,
            "week_before": 64,
            "denominator": {
                "value": 452092,
                "basis": "recorded",
                "vintage": "2024-06-30",
                "estimated": False,
                "source": "Dukcapil Sambas, first half of 2024",
                "method": None,
            },
            "per_thousand": {"numerator": 80, "denominator": 452092, "value": 0.176955},
            "against_week": {"numerator": 80, "denominator": 64, "value": 1.25},
            "absent": [],
        }
    ],
    "rankings": {name: {"leaders": [], "laggards": [], "unranked": []} for name in ("per_thousand", "against_week")},
    "without_data": [
        {"region": {"code": "61.02", "name": "Kabupaten Mempawah", "level": "regency"}, "reason": UNHEARD}
    ],
    "absent": [],
    "data": EXAMPLE_DATA,
}


class LiveComparison(Model):
    """A region now, or at a past moment, beside the same time a week before; and the regions directly below, by what
    happened there today.

    Counts are events of the people who live there, by when they happened. Regions without data are in `without_data`,
    never in a ranking, and never 0.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, json_schema_extra={"examples": [_EXAMPLE]})

    region: RegionName
    at: dt.datetime
    basis: Basis | None
    windows: list[Compared]
    people: People | None
    children: list[Child]
    rankings: dict[Literal["per_thousand", "against_week"], Ranking]
    without_data: list[WithoutData]
    absent: list[Absent]
    data: Data
