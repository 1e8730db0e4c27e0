"""The present beside last week: rates of a region, and who leads and who lags below it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api import coverage, models
from api.access import BelowInScope
from api.answering import respond
from api.context import Context, Ctx
from api.coverage import Asked, Facts, Missing
from api.log_state import Standing
from api.measures import live as contract
from api.measures.live import Below, Heard, Span
from api.parameters import Basis, RatesQuery
from api.problems import BadParameter
from api.rates import end_of_minute
from events import regions
from events.regions import Region
from projections import answers
from projections.answers import Reference
from projections.measures import live as questions
from projections.measures.live import Counted

router = APIRouter(tags=["measures"])

EARLIEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)  # long before IKD; a week before it is a time that tables can hold


class LiveQuery(RatesQuery):
    """Which moment, and per 1,000 of whom."""

    basis: Basis | None = Field(
        None,
        description="What regions below are divided by; the applicable target's basis if left out, else `recorded`.",
        examples=["recorded", "population"],
    )
    estimate: bool = Field(
        False, description="Take an estimate where no denominator is published, and say so.", examples=[True]
    )


@router.get(
    "/v1/live-comparison/{code}",
    response_model=contract.LiveComparison,
    summary="Now against the same time of last week, leaders and laggards",
)
def live_comparison(region: BelowInScope, query: Annotated[LiveQuery, Query()], context: Ctx) -> Response:
    """Events of the last minute, hour and day and since midnight in western Indonesia, each beside the same time a week
    before, in total and by channel; and the regions directly below by today's activations, per 1,000 of the denominator
    and against their own last week.

    Where nothing had been heard of a region yet, or its sources were silent and it has no events, there is no data:
    null with a reason, or the region is in `without_data`. Where last week has fewer than 5 activations, the comparison
    says `cannot_tell`.
    """
    now = context.options.clock()
    at = query.at or now
    if at < EARLIEST:
        raise BadParameter(at=f"lies before {EARLIEST:%Y-%m-%d}: there was no IKD")
    standing = context.log_state.read()
    end = end_of_minute(at)
    found = contract.nothing(end, contract.FUTURE) if at > now else _figures(context, standing, region, end, query)
    answer = {**found, "region": models.RegionName.of(region), "at": at, "data": standing.data}
    return respond(contract.LiveComparison.model_validate({**answer, "absent": found["absent"] + standing.absent}))


def _figures(
    context: Context, standing: Standing, region: Region, end: dt.datetime, query: LiveQuery
) -> dict[str, Any]:
    below = regions.children().get(region.number, [])
    windows = contract.spans(end)
    today = windows["today"]
    firsts = questions.first_days(context.database, [each.number for each in (region, *below)])
    heard = Heard(firsts, context.sources.at(standing))
    day = [questions.counted(context.database, region.number, each.begin, each.end) for each in _both(today)]
    asked, reference = _asked(context, standing, [region, *below], contract.day_of(end), query)
    children = [contract.child(_below(each, today, day, heard, asked, reference)) for each in below]
    told = [each for each in children if isinstance(each, contract.Child)]
    compared, absent = _windows(context, region, windows, day, heard)
    people, nobody = _people(context, standing, region, asked, reference)
    return {
        "windows": compared,
        "people": people,
        "basis": asked.basis,
        "children": told,
        "rankings": contract.rankings(told),
        "without_data": [each for each in children if isinstance(each, contract.WithoutData)],
        "absent": absent + nobody,
    }


def _asked(
    context: Context, standing: Standing, whom: Sequence[Region], day: dt.date, query: LiveQuery
) -> tuple[Asked, Reference]:
    """The question about denominators, on one basis for all, and what is known of them."""
    reference = context.references.at(standing).about((each.number for each in whom), day)
    asked = Asked(day, context.options.today(), query.basis, query.estimate)
    return coverage.on_one_basis(whom[0], asked, Facts({}, frozenset(), reference)), reference


def _windows(
    context: Context,
    region: Region,
    windows: dict[contract.WindowName, Span],
    day: Sequence[Sequence[Counted]],
    heard: Heard,
) -> tuple[list[contract.Compared], list[models.Absent]]:
    ends = [each.end for each in _both(windows["today"])]
    rates = [answers.rates(context.database, region.number, end) for end in ends]
    compared: list[contract.Compared] = []
    absent: list[models.Absent] = []
    for name, span in windows.items():
        now, week = day if name == "today" else [contract.of_window(each, name) for each in rates]
        found, missing = contract.compared(name, span, now, week, lambda at: heard.silent(region.number, at))
        compared.append(found)
        absent += missing
    return compared, absent


def _below(
    region: Region, today: Span, day: Sequence[Sequence[Counted]], heard: Heard, asked: Asked, reference: Reference
) -> Below:
    counts: list[int | None] = []
    reasons: list[str | None] = []
    for span, counted in zip(_both(today), day, strict=True):
        own = [each for each in counted if each.region == region.number]
        reason = None if own else heard.silent(region.number, span)
        counts.append(None if reason else sum(each.activated for each in own))
        reasons.append(reason)
    basis = asked.basis or coverage.DEFAULT_BASIS
    divided = coverage.denominator_of(region, basis, asked, reference)
    denominator, missing = (None, divided.reason) if isinstance(divided, Missing) else (divided, None)
    return Below(region, counts[0], reasons[0], counts[1], reasons[1], denominator, missing)


def _people(
    context: Context, standing: Standing, region: Region, asked: Asked, reference: Reference
) -> tuple[contract.People | None, list[models.Absent]]:
    """Active people before the day and at its end."""
    number, day = region.number, asked.as_of
    active = [context.memory.active([number], each) for each in (day - contract.DAY, day)]
    heard = frozenset({number}) if context.sources.at(standing).heard(number) else frozenset[int]()
    found = [coverage.numerator_of(region, asked, Facts(each, heard, reference)) for each in active]
    values = [None if isinstance(each, Missing) else each.value for each in found]
    reason = next((each.reason for each in found if isinstance(each, Missing)), None)
    if reason:
        return None, [models.Absent(field="people", reason=reason)]
    return contract.People(day=day, day_before=values[0], day_end=values[1]), []


def _both(span: Span) -> tuple[Span, Span]:
    return span, span.week_before()
