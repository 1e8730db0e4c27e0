"""Who asks, and what they may see: keys of a region's scope, and what needs none.

A key comes in a header, `Authorization: Bearer KEY` or `X-API-Key: KEY`, never in the address, which may end in a log.
Whoever sends a key that does not hold is refused on every route that reads keys, and is not told why: a key that was
never one, one that expired and one that was removed get the same answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.context import Context, Ctx
from api.parameters import RegionInPath
from api.problems import Problem
from events import regions
from events.regions import LEVELS, Level, Region
from projections.errors import DatabaseError

BEARER, KEY_HEADER = "authorization", "x-api-key"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="cakupan"'}
PLURALS: dict[Level, str] = {
    "nation": "the nation",
    "province": "provinces",
    "regency": "regencies",
    "district": "districts",
    "village": "villages",
}


ONLY_ACTIVE = (
    "Without one, of people is told how many were active at the end of a day, as known now: other counts could be taken"
    " from one another until single people show"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `region`: the scope of the key, 0 is the nation; None: no key. `connections`: open streams, at most."""

    name: str
    region: int | None
    connections: int

    @property
    def anonymous(self) -> bool:
        return self.region is None

    def may_see(self, region: int) -> bool:
        """Whether the key's scope holds the region."""
        return self.region is not None and self.region in regions.ancestors_of(region)


class Refused(Problem):
    """401 or 403. `reason` is the metric's: no_key, bad_key or scope."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(status, reason.replace("_", "-"), detail, CHALLENGE if status == 401 else None)
        self.reason = reason


class BadKey(Refused):
    """401: the key was never one, has expired or was removed. One answer for all three."""

    def __init__(self) -> None:
        super().__init__(
            401,
            "bad_key",
            "the key does not hold. Send one that does, as `Authorization: Bearer KEY` or `X-API-Key: KEY`; what needs"
            " no key is answered without one",
        )


class _ReadsKey(SecurityBase):
    """The dependency that says who asks. A class, so that the OpenAPI document knows which routes read keys."""

    model = HTTPBearer()
    scheme_name = "bearer"

    async def __call__(self, request: Request, context: Ctx) -> Caller:
        """Raises Refused (401) where a key is sent that does not hold, DatabaseError."""
        if not carries_key(request.headers):
            return Caller("", None, context.options.anonymous_connections)
        secret = _secret(request.headers)
        key = None if secret is None else await context.keyring.find(secret)
        if key is None:
            raise counted(context, BadKey())
        return Caller(key.name, key.region, key.connections)


caller = _ReadsKey()
CallerOf = Annotated[Caller, Depends(caller)]
Holds = Callable[[], Awaitable[bool]]


def holding(request: Request, context: Context, who: Caller) -> Holds:
    """Whether what a stream was opened with still holds, asked while it is open."""

    async def holds() -> bool:
        try:
            return await caller(request, context) == who
        except Refused:
            return False
        except DatabaseError:  # nobody can say: it held when the stream was opened
            return True

    return holds


def require(context: Context, who: Caller, region: Region, level: Level) -> None:
    """Raises Refused unless `who` may see regions of `level` in `region`: public ones, or those of the key's scope."""
    public = context.options.public_level
    if LEVELS.index(level) <= LEVELS.index(public) or who.may_see(region.number):
        return
    raise counted(context, _refusal(who, public))


def has_public_view(context: Context, who: Caller, region: Region) -> bool:
    """Whether `who` is told of a region what everybody is told: see `api.public`."""
    return not context.public.everything and not who.may_see(region.number)


def require_scope(context: Context, who: Caller, region: Region) -> None:
    """Raises Refused where `who` has the public view, which does not hold what is asked for."""
    if has_public_view(context, who, region):
        raise counted(context, _refused(who, ONLY_ACTIVE))


def _refusal(who: Caller, public: Level) -> Refused:
    return _refused(who, f"Without a key, figures are given down to {PLURALS[public]}")


def _refused(who: Caller, opened: str) -> Refused:
    if who.region is None:
        return Refused(401, "no_key", f"this needs a key whose scope holds the region. {opened}")
    return Refused(403, "scope", f"{scope_of(who.region)}. {opened}")


def scope_of(region: int) -> str:
    """What a key opens, in words."""
    scope = regions.region(region)
    return f"this key's scope is {scope.code}, {scope.name}, and all within"


def counted(context: Context, refused: Refused) -> Refused:
    """The same refusal, which the metrics now show."""
    context.metrics.refused.labels(refused.reason).inc()
    return refused


async def _told(region: RegionInPath, who: CallerOf, context: Ctx) -> Region:
    require(context, who, region, region.level)
    return region


async def _below_told(region: RegionInPath, who: CallerOf, context: Ctx) -> Region:
    require(context, who, region, LEVELS[min(LEVELS.index(region.level) + 1, len(LEVELS) - 1)])
    return region


# The region in the path, where the caller may see it, and where the caller may see those directly below it: for routes
# that keep to the public view.
ToldRegion = Annotated[Region, Depends(_told)]
ToldBelow = Annotated[Region, Depends(_below_told)]


async def _in_scope(region: ToldRegion, who: CallerOf, context: Ctx) -> Region:
    require_scope(context, who, region)
    return region


async def _below_in_scope(region: ToldBelow, who: CallerOf, context: Ctx) -> Region:
    require_scope(context, who, region)
    return region


# The same for all others: who has the public view is refused.
RegionInScope = Annotated[Region, Depends(_in_scope)]
BelowInScope = Annotated[Region, Depends(_below_in_scope)]


async def _villages_in_scope(region: RegionInScope, who: CallerOf, context: Ctx) -> Region:
    require(context, who, region, "village")
    return region


# For routes that show the region's villages, however far below it they are.
VillagesInScope = Annotated[Region, Depends(_villages_in_scope)]


def carries_key(headers: Headers) -> bool:
    return BEARER in headers or KEY_HEADER in headers


def _secret(headers: Headers) -> str | None:
    """The one key in the headers; None where there is none, or two that differ."""
    given = headers.getlist(KEY_HEADER)
    for each in headers.getlist(BEARER):
        scheme, _, secret = each.partition(" ")
        if scheme.lower() != "bearer":
            return None
        given.append(secret.strip())
    return given[0] if len(set(given)) == 1 else None


class Private:
    """Answers to who sends a key are theirs alone: no shared cache keeps them, or gives others what it keeps."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        private = carries_key(Headers(scope=scope))

        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Authorization, X-API-Key")
                if private:
                    headers.setdefault("Cache-Control", "private")
            await send(message)

        await self._app(scope, receive, mark)
