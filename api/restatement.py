"""A restatement, pure: two reports of one day, and what made the difference.

From the earlier report to the later one something is put in at a time; every state is a full answer, every part the
difference that its step makes. So the parts add up, to the last decimal that is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

from api import coverage, models
from api.coverage import Asked, Facts
from events.regions import Region
from projections.answers import Reference

PARTS = ("late_events", "corrections", "denominator", "target")
FIGURES = ("count", "coverage", "attainment", "missing")


@dataclass(frozen=True)
class Reports:
    """What was known at the one time and at the other; `late`: then, with the activations that were recorded since."""

    before: Facts
    late: Facts
    after: Facts


def figures(region: Region, asked: Asked, again: Asked, reports: Reports) -> list[models.Figures]:
    """The earlier report, then one with each part put in; the last is the later report.

    All on one basis: that of the earlier report, or where that can't be given, of the later one.
    """
    settled = coverage.on_one_basis(region, asked, reports.before)
    basis = settled.basis or coverage.on_one_basis(region, again, reports.after).basis
    states = _states(replace(asked, basis=basis), replace(again, basis=basis), reports)
    found = [coverage.figures(region, *each) for each in states]
    if not (asked.unanswerable or again.unanswerable):
        return found
    # Nothing lies between a report and one that can't be: every part is absent, for the same reason.
    before, after = found[0], found[-1]
    missing = before if asked.unanswerable else after
    return [before, missing, missing, missing, after]


def _states(asked: Asked, again: Asked, reports: Reports) -> Iterator[tuple[Asked, Facts]]:
    first, last = reports.before.reference, reports.after.reference
    yield asked, reports.before
    yield asked, reports.late
    yield again, replace(reports.after, reference=first)
    yield again, replace(reports.after, reference=Reference(last.denominators, first.targets))
    yield again, reports.after


def answer(states: Sequence[models.Figures]) -> dict[str, Any]:
    """`before`, `after`, `whole`, `parts`, and what of the differences is absent."""
    steps = dict(zip(PARTS, pairwise(states), strict=True))
    before, after = states[0], states[-1]
    return {
        "before": before,
        "after": after,
        "whole": _difference(before, after),
        "parts": {name: _difference(*step) for name, step in steps.items()},
        "absent": [
            *_absent("whole", before, after),
            *(each for name, step in steps.items() for each in _absent(f"parts.{name}", *step)),
        ],
    }


def _difference(earlier: models.Figures, later: models.Figures) -> models.Difference:
    return models.Difference(**{name: _less(later, earlier, name) for name in FIGURES})


def _absent(where: str, earlier: models.Figures, later: models.Figures) -> list[models.Absent]:
    return [
        models.Absent(field=f"{where}.{name}", reason=_why(earlier, name) or _why(later, name))
        for name in FIGURES
        if _less(later, earlier, name) is None
    ]


def _less(later: models.Figures, earlier: models.Figures, figure: str) -> Any:
    """As decimals, which ratios of six places are."""
    one, other = _value(later, figure), _value(earlier, figure)
    if one is None or other is None:
        return None
    return one - other if isinstance(one, int) else float(Decimal(str(one)) - Decimal(str(other)))


def _value(report: models.Figures, figure: str) -> Any:
    if figure == "count":
        return report.numerator.value if report.numerator else None
    return getattr(report, figure)


def _why(report: models.Figures, figure: str) -> str:
    field = "numerator" if figure == "count" else figure
    return next((each.reason for each in report.absent if each.field == field), "")
