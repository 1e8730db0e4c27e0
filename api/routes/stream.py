"""The log for those without Kafka."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from starlette.datastructures import Headers

from api.access import Caller, CallerOf, caller
from api.context import Ctx
from api.problems import MEDIA_TYPE, Problem
from api.stream.errors import StreamRefused
from api.stream.history import Start
from api.stream.hub import Asking
from api.stream.query import StreamQ, wanted
from api.stream.response import NDJSON, SSE, Dialect, StreamResponse
from projections.errors import DatabaseError

router = APIRouter(tags=["stream"])

ID = '[{"topic":"coverage","partition":0,"offset":124}]'
EVENT = (
    '{"specversion":"1.0","id":"01905ca9-b440-7e43-857c-c50d15f39ee6","source":"cakupan","type":"CoverageChanged",'
    '"subject":"61.01","time":"2024-06-28T02:25:44.000Z","datacontenttype":"application/json","data":{...}}'
)
SCHEMA = {"type": "string"}
CONTENT = {
    SSE.media_type: {"schema": SCHEMA, "example": f"id: {ID}\ndata: {EVENT}\n\n"},
    NDJSON.media_type: {"schema": SCHEMA, "example": f'{{"position":{ID},"event":{EVENT}}}\n'},
}
PROBLEM = {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {MEDIA_TYPE: PROBLEM}}
    for status, text in (
        (406, "Accept names neither form of a stream."),
        (410, "`since`, or the place of the id, is before what the log keeps; says from when on it is complete."),
        (429, "The caller holds as many streams open as it may."),
    )
}
NOT_ACCEPTED = f"this route answers as {SSE.media_type} or {NDJSON.media_type}; ask for one of them in Accept"


@router.get(
    "/v1/stream",
    response_class=Response,
    summary="Events as they come into the log",
    responses={200: {"content": CONTENT}, **REFUSALS},
)
async def stream(
    query: StreamQ,
    who: CallerOf,
    context: Ctx,
    request: Request,
    last_event_id: Annotated[
        str | None, Header(description="Go on behind this event: its id, as it was sent.", examples=[ID])
    ] = None,
) -> Response:
    """Server-sent events, or with `Accept: application/x-ndjson` a line of JSON an event. Each holds a CloudEvent, and
    an id: the position behind it in every partition. Sent back as `Last-Event-ID`, it goes on exactly there; nothing
    is kept here in between. Comments (empty lines) keep the connection open. An event is in the stream as soon as it
    is in the log; it may not be in the answers yet. See docs/stream.md."""
    dialect = _dialect(request.headers)
    try:
        filter_ = wanted(context, who, query, context.options.clock())
    except StreamRefused as refused:
        context.streams.metrics.refused.labels(refused.reason).inc()
        raise

    async def holds() -> bool:
        try:
            return await caller(request, context) == who
        except Problem:
            return False
        except DatabaseError:  # nobody can say: it held when the stream was opened
            return True

    asking = Asking(
        filter=filter_,
        format=dialect.event,
        start=Start(last_event_id or None, query.since),
        who=_name(who, request),
        cap=who.connections,
        anonymous=who.anonymous,
        holds=holds,
    )
    return StreamResponse(context.streams, asking, dialect, context.options.heartbeat_seconds)


def _name(who: Caller, request: Request) -> str:
    if not who.anonymous:
        return f"key {who.name}"
    return f"address {request.client.host if request.client else ''}"


def _dialect(headers: Headers) -> Dialect:
    """Raises Problem (406) for who takes neither."""
    accepted = [each.partition(";")[0].strip().lower() for each in headers.get("accept", "*/*").split(",")]
    if NDJSON.media_type in accepted:
        return NDJSON
    if {SSE.media_type, "text/*", "*/*", ""} & set(accepted):
        return SSE
    raise Problem(406, "not-acceptable", NOT_ACCEPTED)
