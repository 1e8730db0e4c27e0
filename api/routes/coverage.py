"""Coverage: one region, the regions below it ranked, and over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool

from api import coverage as contract
from api import models, series
from api import restatement as restated
from api.access import Caller, CallerOf, RegionInScope, ToldBelow, ToldRegion, has_public_view, require_scope
from api.allowed import MAX_POINTS
from api.answering import respond
from api.clocks import KnownAt, day_of, last_ms
from api.context import Context, Ctx
from api.coverage import Asked, Facts
from api.direct import DirectRoute
from api.log_state import Standing
from api.parameters import (
    ChildrenQ,
    CoverageQuery,
    Interval,
    KnownQ,
    RestatementQ,
    RestatementQuery,
    SeriesQ,
    SeriesQuery,
    Sort,
)
from api.problems import BadParameter
from api.public import Told, withheld_for
from events import regions
from events.regions import NATION, Region
from projections import answers
from projections.answers import Reference
from projections.lines import Extent, History

FEW_POINTS = 400  # of a series, that take about 2 ms

# What changed in a region, from memory or from what was known; None where the table is to be asked.
Days = History | None

router = APIRouter(tags=["coverage"], route_class=DirectRoute)


@router.get("/v1/coverage/{code}", response_model=models.CoverageAnswer, summary="How far IKD has reached in a region")
async def coverage(region: ToldRegion, query: KnownQ, context: Ctx, who: CallerOf) -> Response:
    """Active people, what they are divided by, coverage, the target and how far it is met, at the end of a day.

    A figure that can't be given honestly is null and named in `absent` with its reason; it is never 0. With `known_at`,
    what would have been reported then: events, denominators and targets that were recorded by then, and no others.
    Without a key for the region, counts are rounded down, and small ones withheld.
    """
    asked = _asked(query, context, query.known_at)
    public = _is_public(context, who, region, asked)
    found = _at_once(context, asked, [region], public)
    standing, facts = found if found is not None else await run_in_threadpool(_read, context, asked, region, public)
    figures = contract.figures(region, asked, facts)
    absent = figures.absent + standing.absent
    return respond(models.CoverageAnswer(**{**dict(figures), "absent": absent}, data=standing.data))


@router.get(
    "/v1/coverage/{code}/children",
    response_model=models.CoverageChildren,
    summary="Coverage of the regions directly below, ranked",
)
async def children(region: ToldBelow, query: ChildrenQ, context: Ctx, who: CallerOf) -> Response:
    """All on one basis, so that they compare: the one asked for, else that of the target of the region itself.

    What is absent comes last, whatever the order. A village has no children. With `known_at`, the ranking that would
    have been reported then. Without a key for the region, it is that of the rounded counts.
    """
    below = regions.children().get(region.number, [])
    asked = _asked(query, context, query.known_at)
    public = _is_public(context, who, region, asked)
    found = _at_once(context, asked, [region, *below], public)
    read = found if found is not None else await run_in_threadpool(_read_below, context, asked, region, public)
    standing, facts = read
    asked = contract.on_one_basis(region, asked, facts)
    ranked = rank([contract.figures(each, asked, facts) for each in below], query.sort, query.direction)
    part = ranked[query.offset : query.offset + query.limit]
    return respond(contract.ranking(contract.figures(region, asked, facts), query, part, len(ranked), standing))


@router.get("/v1/coverage/{code}/series", response_model=models.SeriesAnswer, summary="Coverage counts over time")
async def over_time(region: ToldRegion, query: SeriesQ, context: Ctx, who: CallerOf) -> Response:
    """Active people at the end of every period and what changed in it; every period is there, changes or not.

    With `known_at`, the series that would have been reported then, up to that day. Without a key for the region,
    only how many were active, rounded down.
    """
    if query.first and query.last and query.first > query.last:
        raise BadParameter(**{"from": "lies after `to`"})
    asked = _asked_until(context, query.known_at)
    public = _is_public(context, who, region, asked)
    found = None if public else _days_at_once(context, asked, region)
    if found is not None and _few(query, asked):
        return respond(_series(context, query, asked, region, *found))
    return await run_in_threadpool(_series_waiting, context, query, asked, region, public)


def _series_waiting(context: Context, query: SeriesQuery, asked: Asked, region: Region, public: bool) -> Response:
    standing = context.log_state.read()
    days = _days(context, region, asked)
    if not public:
        return respond(_series(context, query, asked, region, standing, days))
    # When the first and the last of a region came would be told: without days asked for, they are the nation's.
    around = _extent(context, regions.region(NATION), context.memory.history(NATION))
    return respond(context.public.series(_series(context, query, asked, region, standing, days, around), region.number))


def _series(
    context: Context,
    query: SeriesQuery,
    asked: Asked,
    region: Region,
    standing: Standing,
    days: Days,
    around: Extent = None,
) -> models.SeriesAnswer:
    """`around`: first and last day, where they are not to be the region's own."""
    extent = _extent(context, region, days)
    heard = extent is not None or bool(_heard(context, standing, asked, [region.number]))
    span = series.span(query.first, query.last, around or extent, heard=heard, asked=asked)
    if series.count(query.interval, span) > MAX_POINTS:
        raise BadParameter(**{"from": f"more than {MAX_POINTS} points; ask for fewer days or a longer interval"})
    answer = {
        "region": models.RegionName.of(region),
        "interval": query.interval,
        "from": span.first,
        "to": span.last,
        "known_at": asked.known_at,
        "points": _points(context, region, query.interval, span, days),
        "absent": span.absent + standing.absent,
        "data": standing.data,
    }
    return models.SeriesAnswer.model_validate(answer)


@router.get(
    "/v1/coverage/{code}/restatement",
    response_model=models.RestatementAnswer,
    summary="Why a day is reported otherwise now",
)
def restatement(region: RegionInScope, query: RestatementQ, context: Ctx) -> Response:
    """What was reported of a day at `from` and what is reported of it at `to`, and what made the difference.

    One thing after the other is put in: late activations, then what ends or moves what counted, then denominators, then
    targets. Each part is the difference that its step makes, so the parts add up to the whole.
    """
    asked, again = _asked_twice(query, context)
    standing = context.log_state.read()
    answer = restated.answer(restated.figures(region, asked, again, _reports(context, standing, region, asked, again)))
    return respond(
        models.RestatementAnswer.model_validate(
            {
                "region": models.RegionName.of(region),
                "as_of": asked.as_of,
                "from": asked.known_at,
                "to": again.known_at,
                **answer,
                "absent": answer["absent"] + standing.absent,
                "data": standing.data,
            }
        )
    )


def _asked(query: CoverageQuery, context: Context, known_at: KnownAt | None = None) -> Asked:
    today = context.options.today()
    as_of = query.as_of or (today if known_at is None else day_of(known_at))
    return Asked(as_of, today, query.basis, query.estimate, known_at)


def _is_public(context: Context, who: Caller, region: Region, asked: Asked) -> bool:
    """Whether the caller has the public view of the region, which is never as known then. Raises Refused."""
    if asked.known_at is not None:
        require_scope(context, who, region)
    return has_public_view(context, who, region)


def _asked_until(context: Context, known_at: KnownAt | None) -> Asked:
    """About all days up to today, or up to the day on which they should have been known."""
    today = context.options.today()
    return Asked(today if known_at is None else day_of(known_at), today, known_at=known_at)


def _asked_twice(query: RestatementQuery, context: Context) -> tuple[Asked, Asked]:
    """The earlier and the later report of one day. Raises BadParameter."""
    today = context.options.today()
    last = query.last or today
    first = query.first or min(query.as_of or last, last)
    if first > last:
        raise BadParameter(**{"from": "lies after `to`"})
    asked = Asked(query.as_of or first, today, query.basis, query.estimate, known_at=first)
    return asked, replace(asked, known_at=last)


def _facts(
    context: Context, standing: Standing, asked: Asked, wanted: Sequence[Region], active: Mapping[int, int]
) -> Facts:
    """What the figures of some regions need beside the people counted in them: from memory, as it was known."""
    if asked.unanswerable:
        return Facts({}, set(), Reference())
    silent = [each.number for each in wanted if each.number not in active]
    codes = (each.number for each in wanted)
    reference = context.references.at(standing).about(codes, asked.as_of, _known_ms(asked))
    return Facts(active, _heard(context, standing, asked, silent), reference)


def _told(context: Context, facts: Facts, told: Told) -> Facts:
    """The same facts as everybody is told them."""
    withheld = dict.fromkeys(told.withheld, withheld_for(context.public.smallest))
    return replace(facts, active=told.active, withheld=withheld, step=told.step)


def _at_once(context: Context, asked: Asked, wanted: Sequence[Region], public: bool) -> tuple[Standing, Facts] | None:
    """What the answers about some regions need, from memory; None where something is to be waited for."""
    if asked.known_at is not None:
        return None
    standing = context.log_state.recent()
    if standing is None or context.references.ready(standing) is None:
        return None
    active = context.memory.held([each.number for each in wanted], asked.as_of)
    if active is None or (len(active) < len(wanted) and context.sources.ready(standing) is None):
        return None
    facts = _facts(context, standing, asked, wanted, active)
    if not public or asked.unanswerable:
        return standing, facts
    told = context.public.told_at_once(active, [each.number for each in wanted], asked.as_of)
    return None if told is None else (standing, _told(context, facts, told))


def _read(context: Context, asked: Asked, region: Region, public: bool) -> tuple[Standing, Facts]:
    """What the answer about a region needs; waits for the tables."""
    standing = context.log_state.read()
    facts = _facts(context, standing, asked, [region], _people(context, asked, region))
    return standing, _read_told(context, asked, [region], facts) if public else facts


def _read_below(context: Context, asked: Asked, region: Region, public: bool) -> tuple[Standing, Facts]:
    """The same of a region and those directly below it."""
    below = regions.children().get(region.number, [])
    standing = context.log_state.read()
    active = _people_below(context, asked, region, below)
    facts = _facts(context, standing, asked, [region, *below], active)
    return standing, _read_told(context, asked, [region, *below], facts) if public else facts


def _read_told(context: Context, asked: Asked, wanted: Sequence[Region], facts: Facts) -> Facts:
    if asked.unanswerable:
        return facts
    return _told(context, facts, context.public.told(facts.active, [each.number for each in wanted], asked.as_of))


def _people(context: Context, asked: Asked, region: Region, late_ms: int = 0) -> dict[int, int]:
    """Active people of one region, of what was known; empty where events have not named it. Activations that were
    recorded later come in up to `late_ms`."""
    if asked.unanswerable:
        return {}
    if asked.known_at is None:
        return context.memory.active([region.number], asked.as_of)
    known_ms = last_ms(asked.known_at)
    people = answers.active_people_known(
        context.database, region.number, asked.as_of, activated_ms=max(late_ms, known_ms), amended_ms=known_ms
    )
    return {} if people is None else {region.number: people}


def _people_below(context: Context, asked: Asked, region: Region, below: Sequence[Region]) -> dict[int, int]:
    """The same of a region and those directly below it, in one query."""
    if asked.unanswerable:
        return {}
    if asked.known_at is None:
        return context.memory.active([region.number, *(each.number for each in below)], asked.as_of)
    return answers.active_below_known(context.database, region.number, asked.as_of, last_ms(asked.known_at))


def _heard(context: Context, standing: Standing, asked: Asked, silent: Sequence[int]) -> set[int]:
    """For which of some regions that events have not named a source had spoken."""
    if not silent:
        return set()
    sources, known_ms = context.sources.at(standing), _known_ms(asked)
    return {each for each in silent if sources.heard(each, known_ms)}


def _known_ms(asked: Asked) -> int:
    return answers.BY_NOW if asked.known_at is None else last_ms(asked.known_at)


def _few(query: SeriesQuery, asked: Asked) -> bool:
    """Whether so few points are asked for that no other request notices the time that filling them takes."""
    if query.first is None:
        return False
    whole = series.Span(query.first, query.last or asked.as_of, empty=False, absent=[])
    return series.count(query.interval, whole) <= FEW_POINTS


def _days_at_once(context: Context, asked: Asked, region: Region) -> tuple[Standing, Days] | None:
    """What a series needs, from memory; None where something is to be waited for."""
    if asked.known_at is not None:
        return None
    standing = context.log_state.recent()
    history = None if standing is None else context.memory.history(region.number)
    if standing is None or history is None:
        return None
    if history.extent is None and context.sources.ready(standing) is None:
        return None
    return standing, history


def _days(context: Context, region: Region, asked: Asked) -> Days:
    """What changed day by day: of what was known at `asked.known_at`, else as memory has it; None: ask the table."""
    if asked.known_at is None:
        return context.memory.history(region.number)
    if asked.unanswerable:
        return History.of([])
    return History.of(answers.changes_known(context.database, region.number, last_ms(asked.known_at)))


def _extent(context: Context, region: Region, days: Days) -> Extent:
    return answers.extent(context.database, region.number) if days is None else days.extent


def _reports(context: Context, standing: Standing, region: Region, asked: Asked, again: Asked) -> restated.Reports:
    late_ms = 0 if again.unanswerable else _known_ms(again)

    def facts(about: Asked, late_ms: int = 0) -> Facts:
        return _facts(context, standing, about, [region], _people(context, about, region, late_ms))

    return restated.Reports(before=facts(asked), late=facts(asked, late_ms), after=facts(again))


def _points(context: Context, region: Region, interval: Interval, span: series.Span, days: Days) -> list[models.Point]:
    if span.first is None or span.last is None or span.empty:
        return []
    if days is None:
        changes = answers.changes(context.database, region.number, interval, span.first, span.last)
    else:
        changes = days.together(series.starts(interval, span.first, span.last), span.last)
    return series.points(changes, interval, span.first, span.last)


def rank(items: Sequence[models.Figures], sort: Sort, order: str) -> list[models.Figures]:
    def value(each: models.Figures) -> Any:
        if sort == "numerator":
            return each.numerator.value if each.numerator else None
        return each.region.name if sort == "name" else getattr(each, sort)

    return contract.in_order(items, value, lambda each: each.region.code, order)
