"""All villages of a region, ranked: up to the nation's 83,762, in parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastapi import APIRouter, Response

from api import coverage as contract
from api import models
from api.access import VillagesInScope
from api.answering import respond
from api.context import Context, Ctx
from api.coverage import Asked, Facts
from api.log_state import Standing
from api.measures.shared import facts_on, heard_of
from api.parameters import VillagesQ, VillagesQuery
from events import regions
from events.regions import Region
from projections.answers import Reference

router = APIRouter(tags=["coverage"])


@router.get(
    "/v1/coverage/{code}/villages",
    response_model=models.CoverageChildren,
    summary="Coverage of all villages of a region, ranked",
)
def villages(region: VillagesInScope, query: VillagesQ, context: Ctx) -> Response:
    """All on one basis, as `children` has it, in parts of at most 1000. What is absent comes last, whatever the order.

    It shows villages, so it takes a key where these are not public.
    """
    standing = context.log_state.read()
    today = context.options.today()
    asked = Asked(query.as_of or today, today, query.basis, query.estimate)
    asked = contract.on_one_basis(region, asked, _facts(context, standing, asked, [region]))
    codes = _ranked(context, standing, region, asked, query)
    part = [regions.region(each) for each in codes[query.offset : query.offset + query.limit]]
    facts = _facts(context, standing, asked, [region, *part])
    own, *items = (contract.figures(each, asked, facts) for each in (region, *part))
    return respond(contract.ranking(own, query, items, len(codes), standing))


def _ranked(context: Context, standing: Standing, region: Region, asked: Asked, query: VillagesQuery) -> Sequence[int]:
    """Codes of the region's villages in the order asked for."""
    version = context.memory.version
    # Counts may change while they are ranked: what was kept under a version then is made anew with the next one.
    state = None if version is None else (version, context.references.at(standing), context.sources.at(standing))

    def make() -> Iterable[int]:
        below = [regions.region(each) for each in regions.villages_within(region.number)]
        # What it is not ranked by is not looked for: counts and targets of all villages take a second.
        facts = _facts(context, standing, asked, below, divided=query.sort in ("coverage", "missing"))
        value = {each.number: contract.figure(each, asked, facts, query.sort) for each in below}
        ranked = contract.in_order(below, lambda each: value[each.number], lambda each: each.code, query.direction)
        return (each.number for each in ranked)

    return context.rankings.get((region.number, asked, query.sort, query.direction), state, make)


def _facts(context: Context, standing: Standing, asked: Asked, wanted: Sequence[Region], divided: bool = True) -> Facts:
    """`divided`: with what the people are divided by, and targets."""
    if asked.unanswerable:
        return Facts({}, frozenset(), Reference())
    active = context.memory.active([each.number for each in wanted], asked.as_of)
    if divided:
        return facts_on(context, standing, wanted, asked.as_of, active)
    return Facts(active, heard_of(context, standing, [e for e in wanted if e.number not in active]), Reference())
