"""Alerts: what is wrong now, what was, and who has seen it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from api import models
from api.access import Caller, CallerOf, Refused, RegionInScope, counted, scope_of
from api.allowed import ALLOWED
from api.answering import respond
from api.context import Context, Ctx
from api.measures import alerts as contract
from api.parameters import Paging
from api.problems import MEDIA_TYPE, Away, Problem
from events import identity, regions
from events.catalogue import EVENTS
from events.codec import Event
from events.errors import PublishError
from events.publisher import Publisher
from events.regions import LEVELS
from projections import alerts as read
from projections.alerts import KINDS, Alert, Kind

router = APIRouter(tags=["measures"])

SOURCE = "cakupan"
PATIENCE = 5.0  # seconds, for Kafka to take an acknowledgement
NEEDS_KEY = "acknowledging needs a key whose scope holds the alert's region"
PROBLEM = {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {MEDIA_TYPE: PROBLEM}}
    for status, text in ((404, "No alert has this id."), (409, "The alert is cleared: there is nothing to see to."))
}


class AlertsQuery(Paging):
    """Which alerts."""

    kind: Kind | None = Field(None, description="Only of this kind; all if left out.", examples=["silence"])
    state: contract.Wanted = Field(
        "open", description="`open`: raised or acknowledged, and not cleared yet.", examples=["open", "all"]
    )


@router.get("/v1/alerts/{code}", response_model=contract.AlertsAnswer, summary="What is wrong, and who has seen it")
def alerts(region: RegionInScope, query: Annotated[AlertsQuery, Query()], context: Ctx, who: CallerOf) -> Response:
    """Alerts of a region and of all within it, the newest first: targets at risk, stalls, silent sources, surges of
    barriers, differences between log and tables. As events: topic `alert` of /v1/stream and of webhooks."""
    standing = context.log_state.read()
    kinds = KINDS if query.kind is None else (query.kind,)
    everything = read.alerts(context.database, region.number, kinds, contract.states_of(query.state))
    shown = [each for each in everything if _may_see(context, who, each)]
    found = Counter(each.kind for each in shown)
    hidden = [models.Absent(field="items", reason=contract.HIDDEN)] if len(shown) < len(everything) else []
    return respond(
        contract.AlertsAnswer(
            region=models.RegionName.of(region),
            state=query.state,
            kinds={kind: found[kind] for kind in KINDS},
            total=len(shown),
            limit=query.limit,
            offset=query.offset,
            items=[contract.Alert.of(each) for each in shown[query.offset : query.offset + query.limit]],
            absent=hidden + standing.absent,
            data=standing.data,
        )
    )


@router.post(
    "/v1/alerts/{alert_id}/acknowledge",
    response_model=contract.Alert,
    summary="Say that an alert was seen",
    responses=REFUSALS,
)
def acknowledge(
    alert_id: Annotated[str, Path(description=ALLOWED["alert_id"], examples=["00000000-0000-7a93-90e8-1c7219d01fc4"])],
    context: Ctx,
    who: CallerOf,
) -> Response:
    """Everybody sees then that somebody does, by the name of the key. The alert stays open until it is cleared. Said
    again, it changes nothing: the first one holds. The list shows it as soon as the event is in the answers."""
    if who.region is None:
        raise counted(context, Refused(401, "no_key", NEEDS_KEY))
    alert = _find(context, alert_id)
    if not who.may_see(alert.region):
        raise counted(context, Refused(403, "scope", scope_of(who.region)))
    if alert.state == "cleared":
        raise Problem(409, "alert-cleared", "the alert is cleared: there is nothing to acknowledge")
    if alert.state == "raised":
        alert = _acknowledge(context, alert, who)
    return respond(contract.Alert.of(alert))


def _may_see(context: Context, who: Caller, alert: Alert) -> bool:
    """Regions below the public level show to those alone whose key holds them."""
    level = regions.level_of(alert.region)
    return LEVELS.index(level) <= LEVELS.index(context.options.public_level) or who.may_see(alert.region)


def _find(context: Context, alert_id: str) -> Alert:
    try:
        found = read.named(context.database, uuid.UUID(alert_id).bytes)
    except ValueError:
        found = None
    if found is None:
        raise Problem(404, "unknown-alert", f"alert_id: no alert has this id; it is {ALLOWED['alert_id']}")
    return found


def _acknowledge(context: Context, alert: Alert, who: Caller) -> Alert:
    """Publish it; returns the alert as it stands then. Raises Away where Kafka does not take it."""
    now = context.options.clock()
    now_ms = round(now.timestamp() * 1000)
    values = {
        "event_id": identity.derived_event_id(now_ms, alert.alert_id, who.name),
        "occurred_at": now_ms,
        "recorded_at": now_ms,
        "source": SOURCE,
        "service_region": regions.NATION,
        "region": alert.region,
        "alert_id": alert.alert_id,
        "kind": alert.kind,
        "subject": alert.subject,
        "acknowledged_by": who.name,
    }
    try:
        with Publisher(context.options.stream.bootstrap, timeout=PATIENCE) as publisher:
            publisher.publish(Event(EVENTS[read.ACKNOWLEDGED], values))
            publisher.flush()
    except PublishError as error:
        raise Away([{"name": "kafka", "detail": str(error)}]) from None
    at = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC)
    return replace(alert, state="acknowledged", acknowledged_at=at, acknowledged_by=who.name)
