"""Next visits: where the next outreach team could go, and why."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api import coverage, models
from api.access import CallerOf, RegionInScope, require
from api.answering import respond
from api.context import Context, Ctx
from api.coverage import Asked, Facts, Missing
from api.log_state import Standing
from api.measures import next_visits as contract
from api.measures.next_visits import Known
from api.parameters import Basis, NoQuery
from events import regions
from events.regions import Region
from projections.answers import Reference
from projections.measures import next_visits as questions

router = APIRouter(tags=["measures"])

MOST_VISITS = 1000


class NextVisitsQuery(NoQuery):
    """How many, and not yet active of whom."""

    limit: int = Field(20, ge=1, le=MOST_VISITS, description="Most villages to give.", examples=[20])
    basis: Basis | None = Field(
        None,
        description="Who is not yet active of whom; the applicable target's basis if left out, else `recorded`.",
        examples=["recorded", "population"],
    )


@router.get("/v1/next-visits/{code}", response_model=contract.NextVisits, summary="Where a team could go next")
def next_visits(
    region: RegionInScope, who: CallerOf, query: Annotated[NextVisitsQuery, Query()], context: Ctx
) -> Response:
    """Villages by people not yet active times expected activations per staff hour, each with the numbers it stands on.
    A fifth of the slots is kept for blank spots and for villages never visited.

    Villages that can't be ranked, say for want of a denominator, are counted and named with the reason.
    """
    require(context, who, region, "village")
    standing = context.log_state.read()
    today = context.options.today()
    villages = _villages(region)
    asked, reference = _asked(context, standing, region, villages, today, query.basis)
    known = _known(context, standing, region, villages, asked, reference)
    held = questions.held(context.database, region.number, today - dt.timedelta(days=contract.YIELD_DAYS - 1), today)
    answer = {
        "region": models.RegionName.of(region),
        "as_of": today,
        "basis": asked.basis,
        **contract.figures(known, held, query.limit),
        "absent": standing.absent,
        "data": standing.data,
    }
    return respond(contract.NextVisits.model_validate(answer))


def _villages(region: Region) -> list[Region]:
    if region.level == "village":
        return [region]
    return [each for below in regions.children().get(region.number, []) for each in _villages(below)]


def _asked(
    context: Context,
    standing: Standing,
    region: Region,
    villages: Sequence[Region],
    today: dt.date,
    basis: Basis | None,
) -> tuple[Asked, Reference]:
    districts = {each.parent for each in villages if each.parent is not None}
    codes = {*regions.ancestors_of(region.number), *districts}
    codes |= {each.number for district in districts for each in regions.children()[district]}
    reference = context.references.at(standing).on(codes, today)
    asked = Asked(today, today, basis, estimate=True)
    return coverage.on_one_basis(region, asked, Facts({}, frozenset(), reference)), reference


def _known(
    context: Context,
    standing: Standing,
    region: Region,
    villages: Sequence[Region],
    asked: Asked,
    reference: Reference,
) -> list[Known]:
    today = asked.today
    active = questions.active(context.database, region.number, today)
    first = today - dt.timedelta(days=contract.FAILED_DAYS - 1)
    failed = questions.failed(context.database, region.number, first, today)
    sources = context.sources.at(standing)
    divided = _denominators(villages, asked, reference)
    found = []
    for each in villages:
        named = active.get(each.number)
        heard = 0 if sources.heard(each.number) else None
        found.append(
            Known(
                region=each,
                active=named.active if named else heard,
                last_activation=named.last_activation if named else None,
                denominator=divided[each.number],
                failed=failed.get(each.number),
            )
        )
    return found


def _denominators(
    villages: Sequence[Region], asked: Asked, reference: Reference
) -> dict[int, models.Denominator | str]:
    """A village's own; else an equal share of what its district's leaves to those without one, as an estimate."""
    basis = asked.basis or coverage.DEFAULT_BASIS
    found: dict[int, models.Denominator | str] = {}
    lacking: dict[int, list[Region]] = defaultdict(list)
    for each in villages:
        own = coverage.denominator_of(each, basis, asked, reference)
        if isinstance(own, Missing):
            lacking[each.parent or regions.NATION].append(each)
            found[each.number] = f"{own.reason}, nor for its district"
        else:
            found[each.number] = own
    return found | {
        each.number: share
        for district, without in lacking.items()
        if (share := _share(regions.region(district), asked, basis, reference)) is not None
        for each in without
    }


def _share(district: Region, asked: Asked, basis: Basis, reference: Reference) -> models.Denominator | None:
    whole = coverage.denominator_of(district, basis, asked, reference)
    if isinstance(whole, Missing):
        return None
    siblings = regions.children()[district.number]
    own = [coverage.denominator_of(each, basis, asked, reference) for each in siblings]
    published = [each.value for each in own if not isinstance(each, Missing)]
    value = (whole.value - sum(published)) // (len(siblings) - len(published))
    method = f"an equal share of what district {district.code} leaves to its villages without a count"
    return whole.model_copy(update={"value": value, "estimated": True, "method": method})
