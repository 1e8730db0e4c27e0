"""Next visits: where the next outreach team could go, and why."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api import coverage, models
from api.access import VillagesInScope
from api.answering import respond
from api.context import Context, Ctx
from api.coverage import Asked, Facts
from api.log_state import Standing
from api.measures import next_visits as contract
from api.measures.equal_shares import EqualShares
from api.measures.next_visits import Known
from api.measures.shared import EARLIEST, heard_of
from api.parameters import Basis, Day, NoQuery
from api.problems import BadParameter
from events import regions
from events.regions import Region
from projections.measures import next_visits as questions

router = APIRouter(tags=["measures"])

MOST_VISITS = 1000


class NextVisitsQuery(NoQuery):
    """How many, and not yet active when, and of whom."""

    as_of: Day | None = Field(
        None, description="Seen from which day in western Indonesia; today if left out.", examples=["2024-06-30"]
    )
    limit: int = Field(20, ge=1, le=MOST_VISITS, description="Most villages to give.", examples=[20])
    basis: Basis | None = Field(
        None,
        description="Who is not yet active of whom; the applicable target's basis if left out, else `recorded`.",
        examples=["recorded", "population"],
    )


@router.get("/v1/next-visits/{code}", response_model=contract.NextVisits, summary="Where a team could go next")
def next_visits(region: VillagesInScope, query: Annotated[NextVisitsQuery, Query()], context: Ctx) -> Response:
    """Villages by people not yet active times expected activations per staff hour, each with the numbers it stands on.
    A fifth of the slots is kept for blank spots and for villages never visited.

    Villages that can't be ranked, say for want of a denominator, are counted and named with the reason.
    """
    today = context.options.today()
    as_of = query.as_of or today
    if not EARLIEST <= as_of <= today:
        raise BadParameter(as_of="lies in the future" if as_of > today else f"lies before {EARLIEST}: there was no IKD")
    standing = context.log_state.read()
    asked = _asked(context, standing, region, Asked(as_of, today, query.basis, estimate=True))
    since = as_of - dt.timedelta(days=contract.YIELD_DAYS - 1)
    held = questions.held(context.database, region.number, since, as_of)
    answer = {
        "region": models.RegionName.of(region),
        "as_of": as_of,
        "basis": asked.basis,
        **contract.figures(
            _known(context, standing, region, asked),
            held,
            query.limit,
            lambda villages: questions.activated(context.database, villages, as_of),
        ),
        "absent": standing.absent,
        "data": standing.data,
    }
    return respond(contract.NextVisits.model_validate(answer))


def _asked(context: Context, standing: Standing, region: Region, asked: Asked) -> Asked:
    """The question on one basis for all villages."""
    reference = context.references.at(standing).about([region.number], asked.as_of)
    return coverage.on_one_basis(region, asked, Facts({}, frozenset(), reference))


def _known(context: Context, standing: Standing, region: Region, asked: Asked) -> list[Known]:
    villages = [regions.region(each) for each in regions.villages_within(region.number)]
    active = context.memory.active([each.number for each in villages], asked.as_of)
    first = asked.as_of - dt.timedelta(days=contract.FAILED_DAYS - 1)
    failed = questions.failed(context.database, region.number, first, asked.as_of)
    heard = heard_of(context, standing, [each for each in villages if each.number not in active])
    shares = EqualShares(context.references.at(standing), asked)
    return [
        Known(
            region=each,
            active=active.get(each.number, 0 if each.number in heard else None),
            denominator=shares.of(each),
            failed=failed.get(each.number),
        )
        for each in villages
    ]
