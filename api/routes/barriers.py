"""Barriers: why attempts fail, and what of it an office can fix."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api import models
from api.access import CallerOf, RegionInScope, require
from api.answering import respond
from api.context import Context, Ctx
from api.log_state import Standing
from api.measures import barriers as contract
from api.measures.period import Period
from api.parameters import Day, NoQuery
from events.regions import LEVELS, Region
from projections.measures import barriers as questions
from projections.measures.barriers import By

router = APIRouter(tags=["measures"])

PERIOD_DAYS = 90
EARLIEST = dt.date(1970, 1, 1)  # the tables hold no day before


class BarriersQuery(NoQuery):
    """Which attempts, and by what."""

    first: Day | None = Field(
        None, alias="from", description=f"First day; {PERIOD_DAYS} days with `to` if left out.", examples=["2024-06-01"]
    )
    last: Day | None = Field(None, alias="to", description="Last day; today if left out.", examples=["2024-06-30"])
    by: By = Field("reason", description="By what; `region`: those directly below.", examples=["reason", "region"])


@router.get(
    "/v1/barriers/{code}", response_model=contract.BarriersAnswer, summary="Why attempts fail, and what can be fixed"
)
def barriers(region: RegionInScope, who: CallerOf, query: Annotated[BarriersQuery, Query()], context: Ctx) -> Response:
    """Attempts of a region's residents that failed in a period, by reason, step, region below, channel, age band or
    device, each with the share that an office can fix; `reasons` says which those are, and how.

    Attempts are counted, not people. Where figures are null, `absent` says why.
    """
    if query.by == "region":
        require(context, who, region, LEVELS[min(LEVELS.index(region.level) + 1, len(LEVELS) - 1)])
    today = context.options.today()
    period = Period.of(query.first, query.last, today, usual=PERIOD_DAYS)
    standing = context.log_state.read()
    found = (
        contract.nothing(contract.FUTURE)
        if period.first > today
        else _figures(context, standing, region, period, query.by)
    )
    answer = {
        "region": models.RegionName.of(region),
        "from": period.first,
        "to": period.last,
        "by": query.by,
        **found,
        "absent": found["absent"] + standing.absent,
        "data": standing.data,
    }
    return respond(contract.BarriersAnswer.model_validate(answer))


def _figures(context: Context, standing: Standing, region: Region, period: Period, by: By) -> dict[str, Any]:
    low, high = period.held(EARLIEST, context.options.today())
    found = questions.failed(context.database, region.number, low, high, by)
    heard = bool(found) or context.sources.at(standing).heard(region.number)
    if not heard and not questions.named_by(context.database, region.number, period.last):
        return contract.nothing(contract.UNHEARD)
    return contract.figures(found, by)
