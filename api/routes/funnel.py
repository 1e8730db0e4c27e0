"""The funnel: how far people have come, from being met by outreach to using what they activated."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api import models
from api.access import RegionInScope
from api.answering import respond
from api.context import Context, Ctx
from api.log_state import Standing
from api.measures import funnel as contract
from api.measures.period import Period
from api.parameters import Day, NoQuery
from events.regions import Region
from projections.measures import funnel as questions

router = APIRouter(tags=["measures"])

PERIOD_DAYS = 90
EARLIEST = dt.date(1970, 1, 1)  # the tables hold no day before


class FunnelQuery(NoQuery):
    """Whose funnel."""

    first: Day | None = Field(
        None,
        alias="from",
        description=f"First day on which they entered; {PERIOD_DAYS} days with `to` if left out.",
        examples=["2024-06-01"],
    )
    last: Day | None = Field(
        None, alias="to", description="Last day on which they entered; today if left out.", examples=["2024-06-30"]
    )


@router.get(
    "/v1/funnel/{code}", response_model=contract.FunnelAnswer, summary="How far people come, from outreach to use"
)
def funnel(region: RegionInScope, query: Annotated[FunnelQuery, Query()], context: Ctx) -> Response:
    """People who entered in a period, by the stage they have come to; what goes over from stage to stage, how long it
    takes and who stays behind; and who is registered and not yet active, by how long they have waited.

    Knowledge counts whom outreach met, as offices reported it: not the people of the other stages. Where figures are
    null, `absent` says why.
    """
    period = Period.of(query.first, query.last, context.options.today(), usual=PERIOD_DAYS)
    standing = context.log_state.read()
    stand = questions.stand(context.database)
    reason = _nothing(context, standing, region, period.first, stand)
    found = contract.nothing(reason) if reason else _figures(context, region, period)
    answer = {
        "region": models.RegionName.of(region),
        "from": period.first,
        "to": period.last,
        **found,
        "staged": contract.staged(stand),
        "absent": found["absent"] + standing.absent,
        "data": standing.data,
    }
    return respond(contract.FunnelAnswer.model_validate(answer))


def _nothing(
    context: Context, standing: Standing, region: Region, first: dt.date, stand: questions.Stand
) -> str | None:
    """Why nothing can be said; None where something can."""
    if first > context.options.today():
        return contract.FUTURE
    if not stand.whole:
        return contract.NOT_STAGED
    heard = context.sources.at(standing).heard(region.number)
    return None if heard or questions.known(context.database, region.number) else contract.UNHEARD


def _figures(context: Context, region: Region, period: Period) -> dict[str, Any]:
    low, high = period.held(EARLIEST, context.options.today())
    people = questions.people(context.database, region.number, low, high, context.options.clock())
    told = questions.outreach(context.database, region.number, low, high)
    return contract.figures(people, told)
