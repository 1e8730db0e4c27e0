"""Every error as application/problem+json (RFC 9457). No message repeats what was sent: it may be personal data.

Problem                 an answer that is an error: status, what is wrong, which parameters and what they may be
├── UnknownRegionCode   404: the path's code is no region
├── BadParameter        422: a parameter that can't be
└── Away                503: a part is away; retry later
"""

from __future__ import annotations

import http
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.allowed import ALLOWED, allowed_here
from projections.errors import QueryFailed, Unavailable

log = logging.getLogger("cakupan.api")

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
TYPE = "urn:cakupan:problem:"
TITLES = {422: "Unprocessable Content"}  # RFC 9110's name; older Pythons have another


class Problem(Exception):
    """An error answer. `more` are members besides RFC 9457's own, such as `parameters`."""

    def __init__(
        self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        title = TITLES.get(status) or http.HTTPStatus(status).phrase
        self.body = {"type": TYPE + kind, "title": title, "status": status, "detail": detail, **more}


class UnknownRegionCode(Problem):
    """404: no region has the code in the path."""

    def __init__(self, reason: str) -> None:
        super().__init__(404, "unknown-region", f"code: {reason}", parameters=[_parameter("code", "path", reason)])


class BadParameter(Problem):
    """422: query parameters that can't be; each with its reason."""

    def __init__(self, **reasons: str) -> None:
        named = [_parameter(name, "query", reason) for name, reason in reasons.items()]
        super().__init__(422, "bad-parameter", _together(named), parameters=named)


class Away(Problem):
    """503: a part is away. `away` lists `{"name", "detail"}`."""

    def __init__(self, away: Sequence[Mapping[str, str]]) -> None:
        detail = "; ".join(each["detail"] for each in away)
        super().__init__(503, "away", detail, {"Retry-After": str(RETRY_AFTER_SECONDS)}, away=list(away))


def respond(problem: Problem) -> Response:
    return Response(json.dumps(problem.body), problem.status, problem.headers, MEDIA_TYPE)


def clickhouse_away(error: Unavailable, setting: str) -> Away:
    """`error` names the address, `setting` where it is set."""
    hint = f" (set by {setting})" if setting else ""
    return Away([{"name": "clickhouse", "detail": f"{error}{hint}"}])


def install(app: FastAPI, clickhouse_setting: str) -> None:
    """Answer every error of this app as a problem."""

    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101 -- registered for it
        return respond(error)

    async def on_unavailable(_: Request, error: Exception) -> Response:
        assert isinstance(error, Unavailable)  # noqa: S101 -- registered for it
        return respond(clickhouse_away(error, clickhouse_setting))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(Unavailable, on_unavailable)
    app.add_exception_handler(QueryFailed, _on_query_failed)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


def query_refused(error: QueryFailed) -> Problem:
    log.error("a query was refused: %s", error)
    return Problem(500, "query-refused", "ClickHouse refused a query; the API's log has its words")


def internal() -> Problem:
    return Problem(500, "internal", "something went wrong here; the API's log has the details")


async def _on_query_failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, QueryFailed)  # noqa: S101 -- registered for it
    return respond(query_refused(error))


async def _on_bug(_: Request, __: Exception) -> Response:
    return respond(internal())


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- registered for it
    headers = error.headers or {}
    if error.status_code == http.HTTPStatus.NOT_FOUND:
        return respond(Problem(404, "unknown-route", "no such route; /openapi.json lists them all", headers))
    if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
        return respond(Problem(405, "method", f"this route takes {headers.get('Allow', 'another method')}", headers))
    phrase = http.HTTPStatus(error.status_code).phrase
    return respond(Problem(error.status_code, "http", phrase, headers))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- registered for it
    named = [_invalid(request, each["loc"], each["type"]) for each in error.errors()]
    return respond(Problem(422, "bad-parameter", _together(named), parameters=named))


def _invalid(request: Request, loc: Sequence[Any], kind: str) -> dict[str, str]:
    where, name = str(loc[0]), str(loc[-1])
    if kind == "extra_forbidden" or name not in ALLOWED:
        # Not even its name is repeated: anything may stand there.
        return _parameter("(unknown)", where, f"no parameter of this route; it takes {allowed_here(request.scope)}")
    return _parameter(name, where, f"must be {ALLOWED[name]}", ALLOWED[name])


def _parameter(name: str, where: str, reason: str, allowed: str | None = None) -> dict[str, str]:
    return {"name": name, "in": where, "reason": reason, "allowed": allowed or ALLOWED.get(name, "")}


def _together(parameters: Sequence[Mapping[str, str]]) -> str:
    return "; ".join(f"{each['name']}: {each['reason']}" for each in parameters)
