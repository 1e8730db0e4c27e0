"""Coverage: one region, the regions below it ranked, and over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response

from api import coverage as contract
from api import models, series
from api.allowed import MAX_POINTS
from api.answering import respond
from api.context import Context, Ctx
from api.coverage import Asked, Facts
from api.parameters import ChildrenQ, CoverageQ, CoverageQuery, Interval, RegionInPath, SeriesQ, Sort
from api.problems import BadParameter
from events import regions
from events.regions import Region
from projections import answers
from projections.answers import Reference

router = APIRouter(tags=["coverage"])


@router.get("/v1/coverage/{code}", response_model=models.CoverageAnswer, summary="How far IKD has reached in a region")
def coverage(region: RegionInPath, query: CoverageQ, context: Ctx) -> Response:
    """Active people, what they are divided by, coverage, the target and how far it is met, at the end of a day.

    A figure that can't be given honestly is null and named in `absent` with its reason; it is never 0.
    """
    asked = _asked(query, context)
    standing = context.log_state.read()
    figures = contract.figures(region, asked, _facts(context, asked, region, [region]))
    absent = figures.absent + standing.absent
    return respond(models.CoverageAnswer(**{**dict(figures), "absent": absent}, data=standing.data))


@router.get(
    "/v1/coverage/{code}/children",
    response_model=models.CoverageChildren,
    summary="Coverage of the regions directly below, ranked",
)
def children(region: RegionInPath, query: ChildrenQ, context: Ctx) -> Response:
    """All on one basis, so that they compare: the one asked for, else that of the target of the region itself.

    What is absent comes last, whatever the order. A village has no children.
    """
    below = regions.children().get(region.number, [])
    standing = context.log_state.read()
    asked = _asked(query, context)
    facts = _facts(context, asked, region, [region, *below])
    asked = contract.on_one_basis(region, asked, facts)
    order = query.order or ("asc" if query.sort == "name" else "desc")
    ranked = rank([contract.figures(each, asked, facts) for each in below], query.sort, order)
    own = contract.figures(region, asked, facts)
    return respond(
        models.CoverageChildren(
            region=own.region,
            as_of=own.as_of,
            basis=own.basis,
            numerator=own.numerator,
            sort=query.sort,
            order=order,
            total=len(ranked),
            limit=query.limit,
            offset=query.offset,
            items=ranked[query.offset : query.offset + query.limit],
            absent=[each for each in own.absent if each.field == "numerator"] + standing.absent,
            data=standing.data,
        )
    )


@router.get("/v1/coverage/{code}/series", response_model=models.SeriesAnswer, summary="Coverage counts over time")
def over_time(region: RegionInPath, query: SeriesQ, context: Ctx) -> Response:
    """Active people at the end of every period and what changed in it; every period is there, changes or not."""
    if query.first and query.last and query.first > query.last:
        raise BadParameter(**{"from": "lies after `to`"})
    today = context.options.today()
    standing = context.log_state.read()
    extent = answers.extent(context.database, region.number)
    heard = extent is not None or contract.heard(region.number, answers.spoken_for(context.database, region.number))
    span = series.span(query.first, query.last, extent, heard=heard, today=today)
    if series.count(query.interval, span) > MAX_POINTS:
        raise BadParameter(**{"from": f"more than {MAX_POINTS} points; ask for fewer days or a longer interval"})
    answer = {
        "region": models.RegionName.of(region),
        "interval": query.interval,
        "from": span.first,
        "to": span.last,
        "points": _points(context, region, query.interval, span),
        "absent": span.absent + standing.absent,
        "data": standing.data,
    }
    return respond(models.SeriesAnswer.model_validate(answer))


def _asked(query: CoverageQuery, context: Context) -> Asked:
    today = context.options.today()
    return Asked(query.as_of or today, today, query.basis, query.estimate)


def _facts(context: Context, asked: Asked, region: Region, wanted: Sequence[Region]) -> Facts:
    """What the figures of `wanted` need: two queries, a third where events have not named one of them. `region` is
    among them or above them."""
    if asked.in_future:
        return Facts({}, set(), Reference())
    numbers = [each.number for each in wanted]
    active = answers.active_people(context.database, numbers, asked.as_of)
    above = regions.ancestors_of(region.number)
    reference = answers.reference(context.database, sorted({*numbers, *above}), asked.as_of)
    silent = any(number not in active for number in numbers)
    spoken_for = answers.spoken_for(context.database, region.number) if silent else set()
    return Facts(active, spoken_for, reference)


def _points(context: Context, region: Region, interval: Interval, span: series.Span) -> list[models.Point]:
    if span.first is None or span.last is None or span.empty:
        return []
    changes = answers.changes(context.database, region.number, interval, span.first, span.last)
    return series.points(changes, interval, span.first, span.last)


def rank(items: Sequence[models.Figures], sort: Sort, order: str) -> list[models.Figures]:
    """By a figure, equal ones by code, absent ones last."""

    def value(each: models.Figures) -> Any:
        if sort == "numerator":
            return each.numerator.value if each.numerator else None
        return each.region.name if sort == "name" else getattr(each, sort)

    given = sorted((each for each in items if value(each) is not None), key=lambda each: each.region.code)
    given.sort(key=value, reverse=order == "desc")
    return given + [each for each in items if value(each) is None]
