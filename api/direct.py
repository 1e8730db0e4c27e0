"""A question that is as it should be goes straight to its endpoint: for FastAPI to solve what an endpoint takes costs
more than an answer from memory.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, get_args, get_type_hints

from fastapi import Request, params
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from api import access, parameters
from api.context import Context
from api.problems import UnknownRegionCode
from events.regions import Region

TAKES = {"region", "query", "context", "who"}

Check = Callable[..., Awaitable[Region]]


class DirectRoute(APIRoute):
    """For endpoints that take nothing but TAKES, by these names. All else goes FastAPI's way as on any other route:
    other endpoints, and questions with which something is wrong, which it names."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._takes = get_type_hints(endpoint, include_extras=True)
        self._takes.pop("return", None)
        takes_these = {"region", "query"} <= self._takes.keys() <= TAKES
        self._is_direct = takes_these and inspect.iscoroutinefunction(endpoint) and not self.dependencies
        if self._is_direct:
            self._query: type[BaseModel] = get_args(self._takes["query"])[0]
            self._checks = _checks(self._takes["region"])

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = await self._asked(scope) if self._is_direct and scope["method"] == "GET" else None
        if asked is None:
            await super().handle(scope, receive, send)
            return
        context: Context = scope["app"].state.context
        region, query = asked
        who = await access.caller(Request(scope), context)
        for check in self._checks:
            await check(region=region, who=who, context=context)
        given = {"region": region, "query": query, "context": context, "who": who}
        response = await self.endpoint(**{name: given[name] for name in self._takes})
        await response(scope, receive, send)

    async def _asked(self, scope: Scope) -> tuple[Region, BaseModel] | None:
        """The region and the query; None where something is wrong with them."""
        given = QueryParams(scope["query_string"])
        named = dict(given)
        if len(named) < len(given.multi_items()):
            return None
        try:
            return await parameters.region_in(scope["path_params"]["code"]), self._query.model_validate(named)
        except (UnknownRegionCode, ValidationError):
            return None


def _checks(region: Any) -> list[Check]:
    """What is asked about the region of an endpoint before it is called, in order: its dependencies, outermost last."""
    (depends,) = (each for each in region.__metadata__ if isinstance(each, params.Depends))
    check = depends.dependency
    if check is None or check is parameters.region_in:
        return []
    return [*_checks(get_type_hints(check, include_extras=True)["region"]), check]
