"""Silence: where there were no activations, and where there is no news."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api.access import Caller, CallerOf, RegionInScope
from api.answering import respond
from api.context import Context, Ctx
from api.measures import silence as measure
from api.measures.shared import ONE_DAY
from api.models import Absent, RegionName
from api.parameters import Paging
from events import regions
from events.jsonform import WIB
from events.regions import LEVELS, Region
from projections.measures import silence as read
from projections.measures.silence import Said

router = APIRouter(tags=["measures"])

MOST_DAYS = 90
LOOK_BACK_DAYS = 366  # for activations after the last complete day


class SilenceQuery(Paging):
    """Which days."""

    days: int = Field(7, ge=1, le=MOST_DAYS, description="Whole days before today to look at.", examples=[7])


@router.get("/v1/silence/{code}", response_model=measure.SilenceAnswer, summary="No activations, or no news")
def silence(region: RegionInScope, query: Annotated[SilenceQuery, Query()], context: Ctx, who: CallerOf) -> Response:
    """For every source and region that it speaks for: when it last spoke, up to when it is complete, what came since,
    and how unusual its silence is. Regions under a source of a region above them are told by that one."""
    standing = context.log_state.read()
    now, today = context.options.clock(), context.options.today()
    window = measure.Window(today - query.days * ONE_DAY, today - ONE_DAY, now)
    everything = read.said(context.database, region.number, now)
    said = [each for each in everything if _may_see(context, who, each)]
    said.sort(key=lambda each: (each.reported_ms, each.source, regions.format_code(each.region)))
    activated = _activated(context, region, said, window)
    states = Counter(measure.state(each, activated[measure.counted_for(region, each)], window) for each in said)
    shown = said[query.offset : query.offset + query.limit]
    gaps = read.gaps(context.database, shown, now)
    return respond(
        measure.SilenceAnswer.model_validate(
            {
                "region": RegionName.of(region),
                "at": now,
                "from": window.first,
                "to": window.last,
                "states": {state: states[state] for state in ("activations", "no_activations", "no_news")},
                "total": len(said),
                "limit": query.limit,
                "offset": query.offset,
                "items": [
                    measure.silence(
                        region,
                        each,
                        gaps[each.source, each.region],
                        activated[measure.counted_for(region, each)],
                        window,
                    )
                    for each in shown
                ],
                "absent": _absent(everything, said) + standing.absent,
                "data": standing.data,
            }
        )
    )


def _absent(everything: Sequence[Said], shown: Sequence[Said]) -> list[Absent]:
    """Why items are missing: nobody has spoken, or somebody has of regions that the caller may not see."""
    if len(shown) < len(everything):
        return [Absent(field="items", reason=measure.HIDDEN)]
    return [] if shown else [Absent(field="items", reason=measure.NO_SOURCE)]


def _may_see(context: Context, who: Caller, said: Said) -> bool:
    """Regions below the public level show to those alone whose key holds them."""
    level = regions.region(said.region).level
    return LEVELS.index(level) <= LEVELS.index(context.options.public_level) or who.may_see(said.region)


def _activated(
    context: Context, region: Region, said: Sequence[Said], window: measure.Window
) -> Mapping[int, Mapping[dt.date, int]]:
    """Activations by day of the regions that they are counted for."""
    earliest = window.last - dt.timedelta(days=LOOK_BACK_DAYS)
    open_since = [max(measure.last_complete(each.complete_ms) + ONE_DAY, earliest) for each in said]
    codes = sorted({measure.counted_for(region, each) for each in said})
    first = min([window.first, *open_since])
    found = read.activations(context.database, codes, first, window.now.astimezone(WIB).date())
    return {code: found.get(code, {}) for code in codes}
