"""Outreach effect, pure: shapes of the answer, and differences in differences with their interval."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from api.measures.shared import widening
from api.models import EXAMPLE_DATA, EXAMPLE_REGION, Absent, Data, Model, RegionName
from projections.answers import VILLAGE_DIGITS, digits
from projections.measures.outreach_effect import Village, Visit

Verdict = Literal["raised", "lowered", "no_effect_shown", "cannot_tell"]
Floats = NDArray[np.float64]

BASELINE_DAYS = 28
AFTER_DAYS = 14
WINDOW = AFTER_DAYS + 1  # the day of the visit and those after it
APART_DAYS = BASELINE_DAYS + AFTER_DAYS  # an earlier visit still works in a baseline that begins within its window
# Controls are matched by these days before the baseline. Matched by the baseline itself, villages that differ from the
# visited ones would be taken when chance made them alike, and their return to what is usual would read as an effect.
MATCHED_DAYS = 28
PAST_DAYS = BASELINE_DAYS + MATCHED_DAYS
CONTROLS = 5
FEWEST_CONTROLS = 3
FEWEST_VISITS = 20
DRAWS = 2000
DRAWN_AT_ONCE = 100
SEED = 20240630
LEVEL = 0.95

NO_VISITS = "no outreach was reported as held here in this period"
FUTURE = "from is in the future"
UNHEARD = "no events and no source reports for this region"
THIN = f"cannot_tell: fewer than {FEWEST_VISITS} visits can be compared"
NO_HOURS = "no staff hours were reported"
UNNAMED = "cannot_tell: activations were reported, and no event names these activities"


@dataclass
class Compared:
    """Visits that can be compared, each with arrays of 15 days. `own` and `controls`: people who became active on a day
    over the daily mean of the 28 days before, in the village and in the mean of its matched ones."""

    own: list[Floats] = field(default_factory=list)
    controls: list[Floats] = field(default_factory=list)
    matched: list[int] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


class LeftOut(Model):
    """Visits that can't be compared, by reason."""

    not_in_a_village: int
    window_not_over: int
    other_visit_near: int
    not_heard_before: int
    too_few_controls: int


class Mean(Model):
    """`value` is numerator / denominator (people / visits), rounded to six places; the interval from `low` to
    `high` holds it in 95 of 100."""

    numerator: float
    denominator: int
    value: float
    low: float
    high: float


class OfDay(Model):
    """People who became active so many days after a visit, over what was to be expected; per visit."""

    day: int
    effect: Mean


class Effect(Model):
    """Per visit, summed over its day and the 14 after it. `over_baseline`: in the village over its own 28 days before;
    `controls`: in matched villages over theirs; `effect`: the first less the second."""

    over_baseline: Mean
    controls: Mean
    effect: Mean
    by_day: list[OfDay]


class Yield(Model):
    """Activations for each staff hour. `activated`: events that name these activities; `reported`: as offices told."""

    kind: str
    held: int
    activated: int
    reported: int
    staff_hours: float
    per_staff_hour: float | None


def compare(
    visits: Sequence[Visit],
    held: Sequence[Visit],
    villages: Mapping[int, Sequence[Village]],
    begin: dt.date,
    end: dt.date,
    today: dt.date,
) -> Compared:
    """Each visit against villages of its regency. `held`: everything held around them; `villages`: by regency, their
    days counted from `begin`, which lies 56 days or more before the first visit, to `end`, 14 days after the last
    one or today."""
    found = Compared()
    days = _days_of_visits(held)
    tables = {regency: _Regency(each, days, begin, end) for regency, each in villages.items()}
    for visit in visits:
        reason = _compare(visit, days, tables, begin, today, found)
        if reason:
            found.left_out[reason] += 1
    return found


def figures(found: Compared) -> tuple[Verdict, Effect | None]:
    """What the compared visits changed, by a bootstrap over visits with a fixed seed."""
    visits = len(found.own)
    if visits < FEWEST_VISITS:
        return "cannot_tell", None
    own, controls = np.array(found.own), np.array(found.controls)
    lifts = own - controls
    sums = [each.sum(axis=1) for each in (own, controls, lifts)]
    over_baseline, of_controls, effect, *by_day = _means(np.column_stack([*sums, lifts]))
    answer = Effect(
        over_baseline=over_baseline,
        controls=of_controls,
        effect=effect,
        by_day=[OfDay(day=day, effect=each) for day, each in enumerate(by_day)],
    )
    verdict: Verdict = "raised" if effect.low > 0 else "lowered" if effect.high < 0 else "no_effect_shown"
    return verdict, answer


def yields(visits: Iterable[Visit], activated: Mapping[str, int]) -> tuple[list[Yield], list[Absent]]:
    """By kind of activity, and why a yield is null."""
    kinds: dict[str, list[Visit]] = defaultdict(list)
    for each in visits:
        kinds[each.kind].append(each)
    found, absent = [], []
    for kind, some in sorted(kinds.items()):
        hours = sum(each.staff_hours for each in some)
        counted = sum(activated.get(each.outreach_id, 0) for each in some)
        reported = sum(each.reported for each in some)
        reason = NO_HOURS if not hours > 0 else UNNAMED if reported and not counted else None
        rate = None if reason else round(counted / hours, 6)
        absent += [Absent(field=f"yields.{kind}.per_staff_hour", reason=reason)] if reason else []
        found.append(
            Yield(
                kind=kind,
                held=len(some),
                activated=counted,
                reported=reported,
                staff_hours=round(hours, 6),
                per_staff_hour=rate,
            )
        )
    return found, absent


def told(visits: Sequence[Visit], compared: Compared, activated: Mapping[str, int]) -> dict[str, Any]:
    """The fields of an answer that come from counts, with what is absent of them."""
    verdict, effect = figures(compared)
    by_kind, absent = yields(visits, activated)
    left_out = {each: compared.left_out[each] for each in LeftOut.model_fields}
    return {
        "held": len(visits),
        "compared": len(compared.own),
        "left_out": LeftOut(**left_out),
        "verdict": verdict,
        "effect": effect,
        "yields": by_kind,
        "absent": absent + ([] if effect else [Absent(field="effect", reason=THIN)]),
    }


def nothing(reason: str) -> dict[str, Any]:
    """The same where nothing can be said."""
    fields = ("held", "compared", "left_out", "effect")
    return {
        **dict.fromkeys(fields),
        "verdict": "cannot_tell",
        "yields": [],
        "absent": [Absent(field=each, reason=reason) for each in (*fields, "yields")],
    }


class _Regency:
    """Villages of a regency, in rows, by day."""

    def __init__(
        self, villages: Sequence[Village], days: Mapping[int, Sequence[dt.date]], begin: dt.date, end: dt.date
    ) -> None:
        length = max((end - begin).days + 1, 0)
        self.row = {each.village: row for row, each in enumerate(villages)}
        self.codes = np.array([each.village for each in villages])
        self.heard = np.array([(each.heard - begin).days for each in villages])
        self.activated = np.zeros((len(villages), length))
        changes = np.zeros((len(villages), length))
        for row, each in enumerate(villages):
            self.activated[row, each.days] = each.activated
            changes[row, each.days] = each.changes
        before = np.array([[each.active_before] for each in villages])
        self.active = before + np.cumsum(changes, axis=1) - changes  # at the beginning of a day
        visits = np.zeros((len(villages), length + 1), dtype=np.int64)
        for row, each in enumerate(villages):
            for day in days.get(each.village, ()):
                visits[row, min(max((day - begin).days + 1, 0), length)] += 1
        self.visits_before = np.cumsum(visits, axis=1)  # a day, those of that day left out

    def over_baseline(self, rows: NDArray[np.int64], day: int) -> Floats:
        """(rows, 15): people who became active, less the daily mean of the 28 days before."""
        baseline = self.activated[rows, day - BASELINE_DAYS : day].mean(axis=1, keepdims=True)
        return np.asarray(self.activated[rows, day : day + WINDOW] - baseline)

    def controls(self, row: int, day: int) -> NDArray[np.int64]:
        """The rows most like one before the baseline of a day, of those that were heard of and had no visit near it: by
        activations of the 28 days before the baseline and people active at its beginning, each as a logarithm, so that
        twice as many is as far at any size."""
        begin = day - BASELINE_DAYS
        near = self.visits_before[:, day + WINDOW] - self.visits_before[:, max(day - APART_DAYS, 0)]
        free = (self.heard <= day - PAST_DAYS) & (near == 0)
        free[row] = False
        rows = np.flatnonzero(free)
        activated = np.log1p(self.activated[:, begin - MATCHED_DAYS : begin].sum(axis=1))
        active = np.log1p(np.maximum(self.active[:, begin], 0))
        far = np.hypot(activated - activated[row], active - active[row])[rows]
        return rows[np.lexsort((self.codes[rows], far))[:CONTROLS]]


def _compare(
    visit: Visit,
    days: Mapping[int, Sequence[dt.date]],
    tables: Mapping[int, _Regency],
    begin: dt.date,
    today: dt.date,
    found: Compared,
) -> str | None:
    """Adds a visit; else the reason why it can't be compared."""
    if digits(visit.region) != VILLAGE_DIGITS:
        return "not_in_a_village"
    if visit.day + dt.timedelta(days=AFTER_DAYS) >= today:
        return "window_not_over"
    if sum(_near(each, visit.day) for each in days.get(visit.region, ())) > 1:
        return "other_visit_near"
    table = tables.get(visit.region // 10**6)
    day = (visit.day - begin).days
    row = table.row.get(visit.region) if table else None
    if table is None or row is None or table.heard[row] > day - PAST_DAYS:
        return "not_heard_before"
    controls = table.controls(row, day)
    if len(controls) < FEWEST_CONTROLS:
        return "too_few_controls"
    found.own.append(table.over_baseline(np.array([row]), day)[0])
    found.controls.append(table.over_baseline(controls, day).mean(axis=0))
    found.matched.append(len(controls))
    return None


def _near(other: dt.date, day: dt.date) -> bool:
    return -APART_DAYS <= (other - day).days <= AFTER_DAYS


def _days_of_visits(held: Iterable[Visit]) -> dict[int, list[dt.date]]:
    found: dict[int, list[dt.date]] = defaultdict(list)
    for each in held:
        found[each.region].append(each.day)
    return found


def _means(of_visits: Floats) -> list[Mean]:
    """Of each column; a row a visit. Drawn some at a time: a nation's visits, all at once, take a gigabyte."""
    visits = len(of_visits)
    mean = of_visits.mean(axis=0)
    draws = np.random.default_rng(SEED)
    drawn = []
    for _ in range(DRAWS // DRAWN_AT_ONCE):
        # How often each visit was drawn: means of all draws are one product.
        chosen = draws.integers(0, visits, (DRAWN_AT_ONCE, visits))
        weights = np.stack([np.bincount(each, minlength=visits) for each in chosen]) / visits
        drawn.append(weights @ of_visits)
    wide = mean + widening(visits) * (np.concatenate(drawn) - mean)
    lows, highs = np.quantile(wide, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return [
        Mean(
            numerator=round(float(total), 6),
            denominator=visits,
            value=round(float(value), 6),
            low=round(float(low), 6),
            high=round(float(high), 6),
        )
        for total, value, low, high in zip(of_visits.sum(axis=0), mean, lows, highs, strict=True)
    ]


def _example_mean(value: float, width: float) -> dict[str, float]:
    ends = {"low": round(value - width, 6), "high": round(value + width, 6)}
    return {"numerator": round(value * 20, 6), "denominator": 20, "value": value, **ends}


_EXAMPLE: dict[str, Any] = {
    "region": EXAMPLE_REGION,
    "from": "2024-03-01",
    "to": "2024-05-31",
    "held": 26,
    "compared": 20,
    "left_out": {
        "not_in_a_village": 1,
        "window_not_over": 0,
        "other_visit_near": 4,
        "not_heard_before": 1,
        "too_few_controls": 0,
    },
    "verdict": "raised",
    "effect": {
        "over_baseline": _example_mean(52.5, 6.5),
        "controls": _example_mean(2.0, 1.5),
        "effect": _example_mean(50.5, 6.0),
        "by_day": [
            {"day": day, "effect": _example_mean(each, 2.0)}
            for day, each in enumerate((40.0, 4.0, 2.5, 1.5, 1.0, 0.5, 0.5, 0.5, *[0.0] * 7))
        ],
    },
    "yields": [
        {
            "kind": "jemput_bola",
            "held": 26,
            "activated": 1040,
            "reported": 1066,
            "staff_hours": 676.0,
            "per_staff_hour": 1.538462,
        }
    ],
    "absent": [],
    "data": EXAMPLE_DATA,
}


class OutreachAnswer(Model):
    """What the outreach of a period changed: `compared` of the activities `held` against matched villages of the same
    regency without a visit. `raised` and `lowered` where the interval of 95 of 100 lies on one side of zero."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, json_schema_extra={"examples": [_EXAMPLE]})

    region: RegionName
    first: dt.date = Field(alias="from")
    last: dt.date = Field(alias="to")
    held: int | None
    compared: int | None
    left_out: LeftOut | None
    verdict: Verdict
    effect: Effect | None
    yields: list[Yield]
    absent: list[Absent]
    data: Data
