"""What stands before every route: the refusal of personal data, and the count of requests."""

from __future__ import annotations

import time
import urllib.parse

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import ApiMetrics
from api.problems import Problem, respond
from events import rules

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REFUSED = "(refused)"
UNKNOWN = "(unknown)"
MOST_ENCODINGS = 4


class RefusePersonalData:
    """Refuses an address that holds 16 digits, before anything reads it, and blanks it, so that no log shows it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not holds_nik(scope):
            await self._app(scope, receive, send)
            return
        # In place: the server's own access log reads the same scope.
        scope["path"], scope["raw_path"], scope["query_string"] = f"/{REFUSED}", b"/", b""
        scope["cakupan.route"] = REFUSED
        where = f"the address {rules.LOOKS_LIKE_NIK}"
        await respond(Problem(422, "personal-data", where))(scope, receive, send)


def holds_nik(scope: Scope) -> bool:
    """Whether the path or the query of a request holds what looks like a NIK, however often it is encoded."""
    raw = f"{scope['path']}\n{scope['query_string'].decode('latin-1')}"
    for _ in range(MOST_ENCODINGS):
        if rules.looks_like_nik(raw):
            return True
        decoded = urllib.parse.unquote_plus(raw)
        if decoded == raw:
            return False
        raw = decoded
    return True  # nobody encodes an honest question so often


class Measure:
    """Counts and times requests by route template and status."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        answered = False

        async def note(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                self._count(scope, message["status"], time.perf_counter() - begun)
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception:
            if not answered:
                self._count(scope, 500, time.perf_counter() - begun)
            raise

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else UNKNOWN
        route = scope.get("cakupan.route") or getattr(scope.get("route"), "path", UNKNOWN)
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(method, route).observe(seconds)
