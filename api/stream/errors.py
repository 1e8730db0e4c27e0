"""Why a stream is not opened, as problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.allowed import ALLOWED
from api.problems import RETRY_AFTER_SECONDS, Away, Problem

LAST_EVENT_ID = "Last-Event-ID"


class StreamRefused(Problem):
    """A stream that is not opened. `reason` is the metric's, see `api.stream.metrics`."""

    def __init__(
        self, reason: str, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(status, kind, detail, headers, **more)
        self.reason = reason


def no_kafka() -> Problem:
    return Away([{"name": "kafka", "detail": "this API was started without a log to stream"}])


def stopping() -> Problem:
    return Away([{"name": "stream", "detail": "the API is stopping"}])


def full() -> StreamRefused:
    return StreamRefused("full", 503, "full", "no more streams can be opened now", _later())


def busy() -> StreamRefused:
    detail = "as many streams read the past as can at the same time; ask again in a moment"
    return StreamRefused("busy", 503, "busy", detail, _later())


def over_cap(anonymous: bool, cap: int) -> StreamRefused:
    who = "without a key, one address" if anonymous else "this key"
    detail = f"{who} may hold {cap} streams open at the same time; close one first"
    return StreamRefused("cap", 429, "too-many-streams", detail, _later(), limit=cap)


def bad_id(reason: str) -> StreamRefused:
    allowed = "the id of an event of this stream, as it was sent: a list of topic, partition and offset"
    named = {"name": LAST_EVENT_ID, "in": "header", "reason": reason, "allowed": allowed}
    return StreamRefused("id", 422, "bad-parameter", f"{LAST_EVENT_ID}: {reason}", parameters=[named])


def bad_since(reason: str) -> StreamRefused:
    named = {"name": "since", "in": "query", "reason": reason, "allowed": ALLOWED["since"]}
    return StreamRefused("since", 422, "bad-parameter", f"since: {reason}", parameters=[named])


def gone(what: str, earliest: str) -> StreamRefused:
    detail = f"{what} is before what the log keeps; it is complete from {earliest} on: ask with since={earliest}"
    return StreamRefused("since", 410, "gone", detail, earliest=earliest)


def _later() -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER_SECONDS)}
