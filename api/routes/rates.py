"""Rates: events of the last minute, hour and day, once or as they change."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api import models
from api.access import CallerOf, RegionInScope, holding
from api.answering import respond
from api.context import Ctx
from api.direct import DirectRoute
from api.live import MEDIA_TYPE, LiveResponse
from api.parameters import NothingQ, RatesQ

router = APIRouter(tags=["rates"], route_class=DirectRoute)


@router.get("/v1/rates/{code}", response_model=models.RatesAnswer, summary="Events of the last minute, hour and day")
async def once(region: RegionInScope, query: RatesQ, context: Ctx) -> Response:
    """Events of the people who live in a region, in total and by channel, by when they happened.

    Windows are whole minutes and end with the minute that `at` lies in.
    """
    now = context.options.clock()
    at = query.at or now
    found = context.rates.at_once(region, at, now)
    return respond(found if found is not None else await run_in_threadpool(context.rates.read, region, at, now))


@router.get(
    "/v1/rates/{code}/live",
    response_class=Response,
    summary="The same, pushed when numbers change",
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
async def live(region: RegionInScope, _: NothingQ, context: Ctx, who: CallerOf, request: Request) -> Response:
    """Server-sent events. `rates`: the answer of `/v1/rates/{code}` now, at once and whenever a number changes, by
    events or by the clock; for some seconds after that also when the position moves, with which the event is in the
    answers of coverage too. `problem`: why there is none at present, or that the key holds no more, which ends the
    stream. Comments keep the connection open."""
    holds = holding(request, context, who)
    return LiveResponse(context.hub, region, context.options.heartbeat_seconds, holds)
