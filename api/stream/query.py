"""What a stream is asked for: which events, from where on, and whether the caller may have them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.access import ONLY_ACTIVE, Caller, Refused, counted, require, require_scope, scope_of
from api.context import Context
from api.parameters import Moment
from api.problems import BadParameter
from api.stream import errors
from events import regions
from events.errors import UnknownRegion
from events.feed import COVERAGE_FEED, FEEDS, PUBLIC_FEEDS, TYPES, Filter

NEEDS_KEY = "the topics activation and outreach need a key: their events are about people and teams"


def _among(known: Any) -> BeforeValidator:
    def read(value: Any) -> Any:
        named = tuple(dict.fromkeys(value.split(","))) if isinstance(value, str) else ()
        if not named or any(each not in known for each in named):
            raise ValueError
        return ",".join(named)

    return BeforeValidator(read)


class StreamQuery(BaseModel):
    """Which events."""

    model_config = ConfigDict(extra="forbid")

    topics: Annotated[str, _among(FEEDS)] = Field(
        COVERAGE_FEED,
        description=f"Topics, separated by commas: {', '.join(FEEDS)}.",
        examples=["coverage", "activation,coverage", "alert"],
    )
    region: str | None = Field(
        None,
        description="Only events about this region or one within; someone who moves is about two regions."
        " Left out: all that the key's scope holds, and of coverage and alert all that is public.",
        examples=["61.01"],
    )
    type: Annotated[str, _among(TYPES)] | None = Field(
        None, description="Only events of these types, separated by commas.", examples=["CoverageChanged"]
    )
    since: Moment | None = Field(
        None,
        description="From the events that arrived in the log at this time or later; from now on if left out."
        " Where a Last-Event-ID is sent, that holds.",
        examples=["2024-06-01T00:00:00Z"],
    )


StreamQ = Annotated[StreamQuery, Query()]


def wanted(context: Context, who: Caller, query: StreamQuery, now: dt.datetime) -> Filter:
    """The filter that was asked for. Raises BadParameter, StreamRefused, Refused."""
    if query.since is not None and query.since > now:
        raise errors.bad_since("lies in the future")
    feeds = tuple(feed for feed in FEEDS if feed in query.topics.split(","))
    types = frozenset(query.type.split(",") if query.type else ())
    if alien := sorted(name for name in types if TYPES[name] not in feeds):
        raise BadParameter(type=f"{', '.join(alien)}: of another topic than those asked for")
    region = None if query.region is None else _region(query.region)
    of_people = [feed for feed in feeds if feed not in PUBLIC_FEEDS]
    if of_people and who.region is None:
        raise counted(context, Refused(401, "no_key", NEEDS_KEY))
    if who.region is None and not context.public.everything:
        raise counted(context, Refused(401, "no_key", f"a stream needs a key. {ONLY_ACTIVE}"))
    if region is not None:
        require_scope(context, who, regions.region(region))
        level = "village" if of_people else regions.level_of(region)
        _require(context, who, region, level, bool(of_people))
    per_feed = tuple((feed, _start_region(feed, region, who)) for feed in feeds)
    public = context.options.public_level if context.public.everything else None
    return Filter(per_feed, types, who.region, public)


def _region(code: str) -> int:
    try:
        return regions.parse_code(code if code.isascii() else "")
    except UnknownRegion as error:
        raise BadParameter(region=str(error)) from None


def _require(context: Context, who: Caller, region: int, level: regions.Level, people: bool) -> None:
    if people and who.region is not None and not who.may_see(region):
        raise counted(context, Refused(403, "scope", scope_of(who.region)))
    require(context, who, regions.region(region), level)


def _start_region(feed: str, region: int | None, who: Caller) -> int:
    """Without a region asked for: of people what the scope holds, of the others all; what may be seen is told apart."""
    if region is not None:
        return region
    return regions.NATION if feed in PUBLIC_FEEDS or who.region is None else who.region
