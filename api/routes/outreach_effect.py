"""Outreach effect: what visits changed, against the village's own past and villages without one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Set
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api import models
from api.access import RegionInScope
from api.answering import respond
from api.context import Context, Ctx
from api.log_state import Standing
from api.measures import outreach_effect as contract
from api.measures.period import Period
from api.measures.shared import EARLIEST
from api.parameters import Day, NoQuery
from events.regions import Region
from projections.answers import VILLAGE_DIGITS, digits
from projections.measures import outreach_effect as questions
from projections.measures.outreach_effect import Village

router = APIRouter(tags=["measures"])

PERIOD_DAYS = 90
MOST_DAYS = 366


class OutreachQuery(NoQuery):
    """Whose outreach."""

    first: Day | None = Field(
        None,
        alias="from",
        description=f"First day of the visits; {PERIOD_DAYS} days with `to` if left out.",
        examples=["2024-03-01"],
    )
    last: Day | None = Field(
        None,
        alias="to",
        description=f"Last day of the visits; today if left out, or with `from` {MOST_DAYS} days on.",
        examples=["2024-05-31"],
    )


@router.get("/v1/outreach/{code}", response_model=contract.OutreachAnswer, summary="What visits to villages changed")
def outreach(region: RegionInScope, query: Annotated[OutreachQuery, Query()], context: Ctx) -> Response:
    """People who became active in a visited village on the day of the visit and the 14 after it, over its 28 days
    before, less the same of matched villages without a visit; with intervals, by day; and activations per staff hour.

    With fewer than 20 visits that can be compared the verdict is `cannot_tell`; `left_out` says why others were not.
    """
    today = context.options.today()
    period = Period.of(query.first, query.last, today, usual=PERIOD_DAYS, most=MOST_DAYS)
    standing = context.log_state.read()
    found = _figures(context, standing, region, period)
    answer = {
        **found,
        "region": models.RegionName.of(region),
        "from": period.first,
        "to": period.last,
        "absent": found["absent"] + standing.absent,
        "data": standing.data,
    }
    return respond(contract.OutreachAnswer.model_validate(answer))


def _figures(context: Context, standing: Standing, region: Region, period: Period) -> dict[str, Any]:
    today = context.options.today()
    if period.first > today:
        return contract.nothing(contract.FUTURE)
    low, high = period.held(EARLIEST, today)
    visits = questions.visits(context.database, region.number, low, high)
    if not visits:
        heard = context.sources.at(standing).heard(region.number)
        return contract.nothing(contract.NO_VISITS if heard else contract.UNHEARD)
    begin = low - dt.timedelta(days=contract.PAST_DAYS)
    end = min(high + dt.timedelta(days=contract.AFTER_DAYS), today)
    regencies = {each.region // 10**6 for each in visits if digits(each.region) == VILLAGE_DIGITS}
    read = _read_at_once(region, regencies)
    held = [each for code in read for each in questions.visits(context.database, code, begin, end)]
    villages: dict[int, list[Village]] = {code: [] for code in regencies}
    for village in (each for code in read for each in questions.villages(context.database, code, begin, end)):
        if village.village // 10**6 in villages:
            villages[village.village // 10**6].append(village)
    compared = contract.compare(visits, held, villages, begin, end, today)
    activated = questions.on_the_spot(context.database, region.number, low, high)
    return contract.told(visits, compared, activated)


def _read_at_once(region: Region, regencies: Set[int]) -> list[int]:
    """Regions that hold these regencies: above one, its provinces, since 514 reads one by one take seconds."""
    above_regencies = region.level in ("nation", "province")
    return sorted({code // 100 for code in regencies} if above_regencies else regencies)
