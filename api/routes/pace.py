"""Pace: what each day has to bring to meet the target, and what it brings."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api import coverage as contract
from api import models
from api.access import RegionInScope
from api.answering import respond
from api.context import Context, Ctx
from api.coverage import Missing
from api.log_state import Standing
from api.measures import pace as measure
from api.measures.live import Heard
from api.measures.shared import ONE_DAY, facts_on
from api.parameters import Day, NoQuery
from api.problems import BadParameter
from events.regions import Region
from projections.measures import pace as read
from projections.measures.pace import History

router = APIRouter(tags=["measures"])


class PaceQuery(NoQuery):
    """Which pace."""

    as_of: Day | None = Field(
        None, description="Seen from which day in western Indonesia; today if left out.", examples=["2024-06-30"]
    )
    deadline: Day | None = Field(
        None, description="When the target is to be met; its own last day if left out.", examples=["2027-12-31"]
    )
    estimate: bool = Field(
        False, description="Take an estimate where no denominator is published, and say so.", examples=[True]
    )
    weeks: int = Field(8, ge=4, le=52, description="Whole weeks that the pace is taken from, at most.", examples=[8])
    backtest: bool = Field(False, description="Test the forecast on past days as well.", examples=[True])


@router.get("/v1/pace/{code}", response_model=measure.PaceAnswer, summary="Will the target be met in time")
def pace(region: RegionInScope, query: Annotated[PaceQuery, Query()], context: Ctx) -> Response:
    """Activations a day that are needed, the present pace, when the target falls at it, and the chance of making it.

    With `backtest=true`, what the same method would have said on past days, against what happened.
    """
    today = context.options.today()
    as_of = query.as_of or today
    if as_of > today:
        raise BadParameter(as_of="lies in the future")
    counted_to = min(as_of, today - ONE_DAY)
    _check(query.deadline, as_of)
    standing = context.log_state.read()
    history = read.history(context.database, region.number, counted_to)
    figures = _figures(context, standing, region, contract.Asked(as_of, today, estimate=query.estimate), history)
    deadline = query.deadline or (figures.target.valid_to if figures.target else None)
    asked = measure.Asked(counted_to, deadline, query.weeks)
    silent = _silent(context, standing, region, history, asked)
    found = measure.measures(figures, history, asked, silent, tested=query.backtest)
    return respond(_answer(figures, asked, found, standing))


def _check(deadline: dt.date | None, as_of: dt.date) -> None:
    if deadline is None:
        return
    if deadline < as_of:
        raise BadParameter(deadline="lies before `as_of`")
    if (deadline - as_of).days > measure.MOST_DAYS - 1:
        raise BadParameter(deadline=f"lies more than {measure.MOST_YEARS} years after `as_of`")


def _figures(
    context: Context, standing: Standing, region: Region, asked: contract.Asked, history: History | None
) -> models.Figures:
    """Target and denominator of the day asked for, people at the end of the last whole day."""
    active = {} if history is None else {region.number: sum(history.changes)}
    return contract.figures(region, asked, facts_on(context, standing, [region], asked.as_of, active))


def _silent(
    context: Context, standing: Standing, region: Region, history: History | None, asked: measure.Asked
) -> str | None:
    """Why weeks without any event are no data; None where they are 0."""
    if history is None or (span := measure.without_events(history, asked)) is None:
        return None
    return Heard({region.number: history.first}, context.sources.at(standing)).silent(region.number, span)


def _answer(
    figures: models.Figures, asked: measure.Asked, found: dict[str, object], standing: Standing
) -> measure.PaceAnswer:
    missing = {name: each.reason for name, each in found.items() if isinstance(each, Missing)}
    if figures.missing is None:
        missing["target_people"] = next(each.reason for each in figures.absent if each.field == "missing")
    if asked.deadline is None:
        missing["deadline"] = measure.NO_END if figures.target else "no target holds, so it has no end date either"
    kept = ("numerator", "denominator", "target", "missing")
    named = [each for each in figures.absent if each.field in kept]
    return measure.PaceAnswer.model_validate(
        {
            "region": figures.region,
            "as_of": figures.as_of,
            "counted_to": asked.counted_to,
            "deadline": asked.deadline,
            **{name: getattr(figures, name) for name in kept},
            "target_people": _target_people(figures),
            **{name: None if isinstance(each, Missing) else each for name, each in found.items()},
            "absent": named + [models.Absent(field=k, reason=v) for k, v in missing.items()] + standing.absent,
            "data": standing.data,
        }
    )


def _target_people(figures: models.Figures) -> int | None:
    if figures.missing is None or figures.numerator is None:
        return None
    return figures.missing + figures.numerator.value
