"""Served here, counted here: offices and the people they served."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence, Set
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api.access import BelowInScope
from api.answering import respond
from api.context import Context, Ctx
from api.coverage import UNHEARD
from api.log_state import Standing
from api.measures import served as measure
from api.measures.period import Period
from api.measures.shared import EARLIEST, heard_of
from api.models import Absent, RegionName
from api.parameters import Day, NoQuery
from api.problems import BadParameter
from events.regions import Region
from projections.measures import served as read

router = APIRouter(tags=["measures"])

USUAL_DAYS = 30
MOST_DAYS = 366


class ServedQuery(NoQuery):
    """Which days."""

    first: Day | None = Field(
        None, alias="from", description=f"First day; {USUAL_DAYS} days with `to` if left out.", examples=["2024-06-01"]
    )
    last: Day | None = Field(
        None,
        alias="to",
        description=f"Last day; today if left out, or with `from` {MOST_DAYS} days on.",
        examples=["2024-06-30"],
    )


@router.get(
    "/v1/served/{code}", response_model=measure.ServedAnswer, summary="Where people were served, and where they count"
)
def served(region: BelowInScope, query: Annotated[ServedQuery, Query()], context: Ctx) -> Response:
    """Activations among the regions directly below by where people live and which office served them; what offices did
    for people from outside, and which residents were served elsewhere."""
    period = _period(query, context.options.today())
    standing = context.log_state.read()
    parts = measure.parts_of(region)
    heard = _heard(context, standing, [region, *parts], period.last)
    found = measure.matrix(region, read.served(context.database, region.number, period.first, period.last))
    silent = not found and region.number not in heard
    return respond(
        measure.ServedAnswer.model_validate(
            {
                "region": RegionName.of(region),
                "from": period.first,
                "to": period.last,
                "total": None if silent else sum(found.values()),
                "cells": measure.cells(found),
                "domiciles": measure.domiciles(region, found, heard),
                "offices": measure.offices(region, found, heard),
                "absent": ([Absent(field="total", reason=UNHEARD)] if silent else []) + standing.absent,
                "data": standing.data,
            }
        )
    )


def _heard(context: Context, standing: Standing, wanted: Sequence[Region], last: dt.date) -> Set[int]:
    """Those that events have named or a source speaks for: none is 0 there."""
    active = context.memory.active([each.number for each in wanted], last)
    return active.keys() | heard_of(context, standing, [each for each in wanted if each.number not in active])


def _period(query: ServedQuery, today: dt.date) -> Period:
    """Raises BadParameter."""
    for name, day in (("from", query.first), ("to", query.last)):
        if day is not None and not EARLIEST <= day <= today:
            raise BadParameter(**{name: "lies in the future" if day > today else f"lies before {EARLIEST}"})
    return Period.of(query.first, query.last, today, usual=USUAL_DAYS, most=MOST_DAYS)
