"""Pace, pure: what a day has to bring to meet the target, what it brings, and when the target falls at that.

The future is drawn from the past: whole weeks, so that their weekdays and their visits stay together, twice over. First
the weeks that could have been seen, then from these the weeks to come, so that what a few weeks don't tell of the pace
is in the interval as well as what differs from week to week. Few weeks drawn from themselves differ less than weeks do:
before they are drawn, what sets each apart from their mean is widened to what Student's distribution has of as many.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api import models
from api.clocks import midnight
from api.coverage import Missing, rounded
from api.measures.live import Span
from api.measures.shared import ONE_DAY, Share, widening
from api.models import Absent, Model
from projections.measures.pace import History

SEED = 20_240_630
RUNS = 2_000
LEVEL = 0.8  # of the runs that an interval holds
WEEK = 7
LEAST_WEEKS = 4
MOST_YEARS = 10
MOST_DAYS = MOST_YEARS * 52 * WEEK
TEST_DAYS = 28
MOST_TESTS = 12
LEAST_TESTS = 3

FEW_WEEKS = f"cannot_tell: fewer than {LEAST_WEEKS} whole weeks of counts since the first event"
NO_EVENTS = "no event has named this region by then"
NO_END = "the target has no end date; give one with `deadline`"
NO_PACE = "at the present pace, which is not above 0, the target never falls"
PASSED = "no whole day is left until the deadline"
TOO_FAR = f"the deadline lies more than {MOST_YEARS} years ahead"
NOT_REACHED = f"too many of the runs do not meet it within {MOST_YEARS} years"
FEW_TESTS = (
    f"cannot_tell: fewer than {LEAST_TESTS} past days with {LEAST_WEEKS} weeks before and {TEST_DAYS} days since"
)
NOT_ASKED = "ask for it with backtest=true"
METHOD = (
    "block bootstrap of n whole weeks, drawn twice: weeks seen, then from these weeks to come; their distance from"
    f" the mean week widened n / sqrt((n - 1)(n - 3)) times; {RUNS} runs, seed {SEED}"
)
UNIT = 1_000  # runs count in thousandths of people: what is widened is no whole number, and sums shall be exact

Days = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asked:
    """`counted_to`: the last whole day, from which the forecast starts. `deadline` None: there is none."""

    counted_to: dt.date
    deadline: dt.date | None
    weeks: int


class PerDay(Model):
    """People in so many days, and a day: people / days."""

    people: int
    days: int
    per_day: float


class Interval(Model):
    """The middle 80 % of the runs: people."""

    low: int
    median: int
    high: int


class Between(Model):
    """The middle 80 % of the runs: days. Null: so many of the runs do not meet the target in ten years."""

    low: dt.date | None
    median: dt.date | None
    high: dt.date | None


class PastForecast(Model):
    """What would have been forecast on a past day for 28 days later, and what happened."""

    made_on: dt.date
    about: dt.date
    forecast: int
    low: int
    high: int
    happened: int
    error: int
    held: bool


class Backtest(Model):
    """Errors of past forecasts, in people. `mean_change`: what a forecast of no change would have been wrong by."""

    horizon_days: int
    tests: list[PastForecast]
    mean_absolute_error: float
    mean_change: float
    held: Share


@dataclass(frozen=True)
class Forecast:
    """What the runs say; Missing where they can't."""

    reached_at_pace: dt.date | Missing
    reached_between: Between | Missing
    on_deadline: Interval | Missing
    chance: Share | Missing


def weeks_of(changes: Sequence[int], most: int) -> Days | None:
    """The last whole weeks, at most so many: shape (weeks, 7), the last one ends with the last day. None: too few."""
    count = min(most, len(changes) // WEEK)
    if count < LEAST_WEEKS:
        return None
    return np.asarray(changes[-count * WEEK :], dtype=np.int64).reshape(count, WEEK)


def pace_of(weeks: Days) -> PerDay:
    return _per_day(int(weeks.sum()), weeks.size)


def needed(gap: int, asked: Asked) -> PerDay | Missing:
    """What each day until the deadline has to bring."""
    if asked.deadline is None:
        return Missing(NO_END)
    days = (asked.deadline - asked.counted_to).days
    return _per_day(gap, days) if days > 0 else Missing(PASSED)


def forecast(active: int, gap: int, weeks: Days, asked: Asked) -> Forecast:
    """From `active` people at the end of `counted_to`, with `gap` > 0 missing."""
    pace = Fraction(int(weeks.sum()), weeks.size)
    drawn, wide = _draw(weeks, MOST_DAYS // WEEK), _widened(weeks)
    at_pace = _day_after(asked.counted_to, math.ceil(gap / pace)) if pace > 0 else Missing(NO_PACE)
    between = _between(_first_days(wide, drawn, gap * UNIT), asked.counted_to)
    on_deadline, chance = _on_deadline(active, gap, wide, drawn, asked)
    return Forecast(at_pace, between, on_deadline, chance)


def chance(active: int, gap: int, weeks: Days, asked: Asked) -> Share | Missing:
    """Of the runs of `forecast`, those that meet the target by the deadline: at a fifth of what all of it costs."""
    return _on_deadline(active, gap, _widened(weeks), _draw(weeks, MOST_DAYS // WEEK), asked)[1]


def backtest(history: History, weeks: int) -> Backtest | Missing:
    """Forecasts from past days, 28 days apart, each from what lay before it."""
    changes = history.changes
    active = np.cumsum(np.asarray(changes, dtype=np.int64))
    tests: list[PastForecast] = []
    change = 0
    for end in range(len(changes) - 1 - TEST_DAYS, -1, -TEST_DAYS):
        seen = weeks_of(changes[: end + 1], weeks)
        if seen is None or len(tests) == MOST_TESTS:
            break
        tests.append(_test(active, seen, end, history.first))
        change += abs(int(active[end + TEST_DAYS] - active[end]))
    if len(tests) < LEAST_TESTS:
        return Missing(FEW_TESTS)
    return Backtest(
        horizon_days=TEST_DAYS,
        tests=tests,
        mean_absolute_error=rounded(Fraction(sum(abs(each.error) for each in tests), len(tests))),
        mean_change=rounded(Fraction(change, len(tests))),
        held=Share.of(sum(each.held for each in tests), len(tests)),
    )


def _test(active: Days, seen: Days, end: int, first: dt.date) -> PastForecast:
    start, happened = int(active[end]), int(active[end + TEST_DAYS])
    drawn = _draw(seen, TEST_DAYS // WEEK)
    low, _, high = _people(start, _after(_widened(seen), drawn, TEST_DAYS))
    guess = start + round(Fraction(int(seen.sum()) * TEST_DAYS, seen.size))
    return PastForecast(
        made_on=first + end * ONE_DAY,
        about=first + (end + TEST_DAYS) * ONE_DAY,
        forecast=guess,
        low=low,
        high=high,
        happened=happened,
        error=guess - happened,
        held=low <= happened <= high,
    )


def _widened(weeks: Days) -> Days:
    """Weeks as far from their mean as weeks are, of which so few were seen; in thousandths. Shape (weeks, 7)."""
    mean = weeks.mean(axis=0)
    wide = mean + (weeks - mean) * widening(len(weeks))
    return np.asarray(np.rint(UNIT * wide), dtype=np.int64)


def _draw(weeks: Days, ahead: int) -> Days:
    """Which past week each week to come is like: shape (runs, ahead)."""
    random = np.random.default_rng(SEED)
    seen = random.integers(0, len(weeks), (RUNS, len(weeks)))
    return np.take_along_axis(seen, random.integers(0, len(weeks), (RUNS, ahead)), axis=1)


def _after(weeks: Days, drawn: Days, days: int) -> Days:
    """What each run has gained after so many days: shape (runs,)."""
    whole, rest = divmod(days, WEEK)
    gained: Days = weeks.sum(axis=1)[drawn[:, :whole]].sum(axis=1)
    return gained + weeks[:, :rest].sum(axis=1)[drawn[:, whole]] if rest else gained


def _first_days(weeks: Days, drawn: Days, gap: int) -> NDArray[np.float64]:
    """After how many days each run has gained `gap`, inf where it has not: shape (runs,)."""
    within = weeks.cumsum(axis=1)
    before = np.zeros_like(drawn)
    before[:, 1:] = weeks.sum(axis=1)[drawn].cumsum(axis=1)[:, :-1]
    reached = before + within.max(axis=1)[drawn] >= gap
    week, rows = reached.argmax(axis=1), np.arange(len(drawn))
    inside = within[drawn[rows, week]] >= (gap - before[rows, week])[:, None]
    return np.where(reached.any(axis=1), week * WEEK + inside.argmax(axis=1) + 1.0, np.inf)


def _between(days: NDArray[np.float64], start: dt.date) -> Between | Missing:
    low, median, high = (_quantile(days, each) for each in _LEVELS)
    if math.isinf(low):
        return Missing(NOT_REACHED)
    return Between(low=_finite(start, low), median=_finite(start, median), high=_finite(start, high))


def _on_deadline(
    active: int, gap: int, weeks: Days, drawn: Days, asked: Asked
) -> tuple[Interval | Missing, Share | Missing]:
    left = needed(gap, asked)
    if isinstance(left, Missing):
        return left, left
    if left.days > MOST_DAYS:
        return Missing(TOO_FAR), Missing(TOO_FAR)
    gained = _after(weeks, drawn, left.days)
    low, median, high = _people(active, gained)
    return Interval(low=low, median=median, high=high), Share.of(int((gained >= gap * UNIT).sum()), RUNS)


_LEVELS = ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2)


def _people(active: int, gained: Days) -> tuple[int, int, int]:
    low, median, high = (active + round(Fraction(int(_quantile(gained, each)), UNIT)) for each in _LEVELS)
    return low, median, high


def _quantile(runs: NDArray[Any], level: float) -> float:
    """A value that a run has, never one between two: between a day and never lies nothing."""
    return float(np.quantile(runs, level, method="inverted_cdf"))


def _finite(start: dt.date, days: float) -> dt.date | None:
    return None if math.isinf(days) else start + int(days) * ONE_DAY


def _day_after(start: dt.date, days: int) -> dt.date | Missing:
    try:
        return start + days * ONE_DAY
    except OverflowError:
        return Missing(NO_PACE.replace("not above 0", "hardly above 0"))


def _per_day(people: int, days: int) -> PerDay:
    return PerDay(people=people, days=days, per_day=rounded(Fraction(people, days)))


class PaceAnswer(Model):
    """What a day has to bring to meet the target, what it has brought lately, and what comes of it.

    All is counted from the end of `counted_to`, the last whole day. `needed`: `missing` people in the days left.
    `pace`: net change of active people in the last whole weeks. `reached_at_pace`: the day on which the target falls
    if every day brings `pace`. `reached_between`, `on_deadline`: the middle 80 % of the runs. `chance`: runs of which
    the number at the end of the deadline meets the target. Target and denominator are held as they are.
    """

    model_config = models.example(
        region=models.EXAMPLE_REGION,
        as_of="2024-06-30",
        counted_to="2024-06-30",
        deadline="2024-12-31",
        numerator={"value": 43336, "definition": models.NUMERATOR},
        denominator=models.EXAMPLE_FIGURES["denominator"],
        target=models.EXAMPLE_FIGURES["target"],
        target_people=135628,
        missing=92292,
        needed={"people": 92292, "days": 184, "per_day": 501.586957},
        pace={"people": 7280, "days": 56, "per_day": 130.0},
        reached_at_pace="2026-06-10",
        reached_between={"low": "2026-04-02", "median": "2026-06-11", "high": "2026-09-01"},
        on_deadline={"low": 65110, "median": 67250, "high": 69420},
        chance={"numerator": 0, "denominator": 2000, "value": 0.0},
        backtest=None,
        interval=0.8,
        method=METHOD,
        absent=[{"field": "backtest", "reason": NOT_ASKED}],
        data=models.EXAMPLE_DATA,
    )

    region: models.RegionName
    as_of: dt.date
    counted_to: dt.date
    deadline: dt.date | None
    numerator: models.Numerator | None
    denominator: models.Denominator | None
    target: models.Target | None
    target_people: int | None
    missing: int | None
    needed: PerDay | None
    pace: PerDay | None
    reached_at_pace: dt.date | None
    reached_between: Between | None
    on_deadline: Interval | None
    chance: Share | None
    backtest: Backtest | None
    interval: float = LEVEL
    method: str = METHOD
    absent: list[Absent]
    data: models.Data


FORECAST = ("reached_at_pace", "reached_between", "on_deadline", "chance")


def without_events(history: History, asked: Asked) -> Span | None:
    """The weeks that the pace is taken from, where no event names the region in them."""
    begin = history.last - asked.weeks * WEEK * ONE_DAY + ONE_DAY
    if history.last_event is None or history.last_event >= begin:
        return None
    return Span(midnight(begin), midnight(history.last + ONE_DAY))


def measures(
    figures: models.Figures, history: History | None, asked: Asked, silent: str | None, *, tested: bool
) -> dict[str, Any]:
    """The measured fields of the answer: each a figure or Missing. `history` None: no event has named the region.
    `silent`: why the weeks asked for, which have no event, are no data; None: they are 0."""
    weeks = None if history is None or silent else weeks_of(history.changes, asked.weeks)
    short = Missing(silent or (NO_EVENTS if history is None else FEW_WEEKS))
    past: Backtest | Missing = Missing(NOT_ASKED)
    if tested:
        past = short if history is None else backtest(history, asked.weeks)
    return {
        "pace": short if weeks is None else pace_of(weeks),
        "backtest": past,
        **_ahead(figures, weeks, short, asked),
    }


def _ahead(figures: models.Figures, weeks: Days | None, short: Missing, asked: Asked) -> dict[str, Any]:
    if figures.missing is None or figures.numerator is None:
        reason = Missing(next(each.reason for each in figures.absent if each.field == "missing"))
        return dict.fromkeys(("needed", *FORECAST), reason)
    if figures.missing <= 0:
        reason = Missing(f"the target is met already, by {-figures.missing} people more than it takes")
        return dict.fromkeys(("needed", *FORECAST), reason)
    wanted = needed(figures.missing, asked)
    if weeks is None:
        return {"needed": wanted, **dict.fromkeys(FORECAST, short)}
    found = forecast(figures.numerator.value, figures.missing, weeks, asked)
    return {"needed": wanted, **{name: getattr(found, name) for name in FORECAST}}
