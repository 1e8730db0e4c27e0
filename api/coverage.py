"""The coverage contract, pure: from what was read to figures, each given or named as absent with its reason."""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeVar

from api import models
from api.clocks import KnownAt, day_of
from api.log_state import Standing
from api.parameters import Basis, Ranked, Sort
from events import regions
from events.regions import Region
from projections.answers import Reference
from projections.answers import Target as StoredTarget

FUTURE = "as_of is in the future"
KNOWN_IN_FUTURE = "known_at is in the future"
NOT_YET = "as_of lies after known_at: then it was in the future"
UNHEARD = "no events and no source reports for this region"
ESTIMATE_ONLY = "only an estimate exists; ask for it with estimate=true"
DEFAULT_BASIS: Basis = "recorded"
MILLION = 10**6
TARGETS_KEPT = 1024  # that answers are made of: each region's own, or the one of many
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Missing:
    """A figure that can't be given, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about coverage. `basis` None: the target's. `today`: the day in western Indonesia. `known_at` None:
    by now."""

    as_of: dt.date
    today: dt.date
    basis: Basis | None = None
    estimate: bool = False
    known_at: KnownAt | None = None

    @property
    def unanswerable(self) -> str | None:
        """Why nothing can be said, if so."""
        if self.known_at is not None and day_of(self.known_at) > self.today:
            return KNOWN_IN_FUTURE
        if self.as_of > self.today:
            return FUTURE
        return NOT_YET if self.known_at is not None and self.as_of > day_of(self.known_at) else None

    @property
    def then(self) -> str:
        """For reasons: what was not there then may be there now."""
        return "" if self.known_at is None else f", as known at {self.known_at.isoformat()}"


@dataclass(frozen=True)
class Facts:
    """What was read: active people by region (those that events named), regions that sources speak for (of the others),
    reference. To who has no key for them, counts are rounded down to a multiple of `step`, and some are `withheld`, by
    region with the reason."""

    active: Mapping[int, int]
    heard: Set[int]
    reference: Reference
    withheld: Mapping[int, str] = field(default_factory=dict)
    step: int = 1


def figures(region: Region, asked: Asked, facts: Facts) -> models.Figures:
    """The figures of one region."""
    if reason := asked.unanswerable:
        return _all_missing(region, asked, reason)
    target = target_of(region, asked, facts.reference)
    basis = basis_of(target, asked)
    numerator = numerator_of(region, asked, facts)
    denominator = denominator_of(region, basis, asked, facts.reference)
    coverage = _ratio(numerator, denominator)
    attainment, missing = _against(target, region, numerator, asked, facts.reference)
    given = {
        "numerator": numerator,
        "denominator": denominator,
        "coverage": coverage,
        "target": target,
        "attainment": attainment,
        "missing": missing,
    }
    return models.Figures(
        region=models.RegionName.of(region),
        as_of=asked.as_of,
        known_at=asked.known_at,
        basis=basis,
        numerator=_given(numerator),
        denominator=_given(denominator),
        coverage=_given(coverage),
        target=_given(target),
        attainment=_given(attainment),
        missing=_given(missing),
        suppressed=region.number in facts.withheld,
        absent=[models.Absent(field=k, reason=v.reason) for k, v in given.items() if isinstance(v, Missing)],
    )


def figure(region: Region, asked: Asked, facts: Facts, sort: Sort) -> float | str | None:
    """The one figure of a region that a ranking goes by, as `figures` has it; None: it can't be given."""
    if sort == "name":
        return region.name
    if asked.unanswerable:
        return None
    numerator = numerator_of(region, asked, facts)
    if sort == "numerator":
        return None if isinstance(numerator, Missing) else numerator.value
    if sort == "coverage":
        basis = basis_of(target_of(region, asked, facts.reference), asked)
        return _given(_ratio(numerator, denominator_of(region, basis, asked, facts.reference)))
    target = target_of(region, asked, facts.reference)
    return _given(_against(target, region, numerator, asked, facts.reference)[1])


def in_order(items: Sequence[T], value: Callable[[T], Any], code: Callable[[T], str], order: str) -> list[T]:
    """By a figure, equal ones by code, absent ones last."""
    given = sorted((each for each in items if value(each) is not None), key=code)
    given.sort(key=value, reverse=order == "desc")
    return given + [each for each in items if value(each) is None]


def ranking(
    own: models.Figures, query: Ranked, items: Sequence[models.Figures], total: int, standing: Standing
) -> models.CoverageChildren:
    """The answer that shows a part of a ranking. `own`: of the region that those ranked lie in; `total`: how many."""
    return models.CoverageChildren(
        region=own.region,
        as_of=own.as_of,
        known_at=own.known_at,
        basis=own.basis,
        numerator=own.numerator,
        sort=query.sort,
        order=query.direction,
        total=total,
        limit=query.limit,
        offset=query.offset,
        items=list(items),
        absent=[each for each in own.absent if each.field == "numerator"] + standing.absent,
        data=standing.data,
    )


def on_one_basis(region: Region, asked: Asked, facts: Facts) -> Asked:
    """The same question with the basis settled: what is asked of regions side by side is asked on one basis."""
    if asked.unanswerable:
        return asked
    return replace(asked, basis=basis_of(target_of(region, asked, facts.reference), asked))


def _all_missing(region: Region, asked: Asked, reason: str) -> models.Figures:
    fields = ("numerator", "denominator", "coverage", "target", "attainment", "missing")
    return models.Figures(
        region=models.RegionName.of(region),
        as_of=asked.as_of,
        known_at=asked.known_at,
        basis=asked.basis,
        numerator=None,
        denominator=None,
        coverage=None,
        target=None,
        attainment=None,
        missing=None,
        absent=[models.Absent(field=name, reason=reason) for name in fields],
    )


def numerator_of(region: Region, asked: Asked, facts: Facts) -> models.Numerator | Missing:
    """People, 0 only where events name the region or a source speaks for it, one above it or one within it."""
    if region.number in facts.withheld:
        return Missing(facts.withheld[region.number])
    if region.number in facts.active:
        return models.Numerator(value=facts.active[region.number], definition=_definition(facts.step))
    return models.Numerator(value=0) if region.number in facts.heard else Missing(UNHEARD + asked.then)


def _definition(step: int) -> str:
    return models.NUMERATOR if step == 1 else f"{models.NUMERATOR}; rounded down to a multiple of {step}"


def target_of(region: Region, asked: Asked, reference: Reference) -> models.Target | Missing:
    """The region's own target, else that of the nearest region above it."""
    for number in regions.ancestors_of(region.number):
        if stored := reference.targets.get(number):
            return _target(stored)
    return Missing(f"no target holds on {asked.as_of} for this region or one above it{asked.then}")


def basis_of(target: models.Target | Missing, asked: Asked) -> Basis:
    if asked.basis is not None:
        return asked.basis
    return DEFAULT_BASIS if isinstance(target, Missing) else target.basis


def denominator_of(region: Region, basis: Basis, asked: Asked, reference: Reference) -> models.Denominator | Missing:
    """The latest published vintage; where none applies, an estimate if it was asked for."""
    published = reference.denominators.get((region.number, basis, False))
    estimate = reference.denominators.get((region.number, basis, True))
    usable = [published, estimate] if asked.estimate else [published]
    for each in usable:
        if each is not None and each.value is not None and each.vintage is not None:
            return models.Denominator(
                value=each.value,
                basis=basis,
                vintage=each.vintage,
                estimated=bool(each.method),
                source=each.source,
                method=each.method or None,
            )
    if estimate is not None and estimate.value is not None:
        return Missing(ESTIMATE_ONLY)
    if firsts := [each.first for each in usable if each is not None]:
        return Missing(f"as_of is before the first denominator on this basis, {min(firsts)}{asked.then}")
    return Missing(f"no denominator published for this level on basis {basis}{asked.then}")


def _against(
    target: models.Target | Missing,
    region: Region,
    numerator: models.Numerator | Missing,
    asked: Asked,
    reference: Reference,
) -> tuple[float | Missing, int | Missing]:
    """Attainment and people missing: always on the target's own basis, whatever basis was asked for."""
    if isinstance(numerator, Missing):
        return numerator, numerator
    if isinstance(target, Missing):
        return target, target
    denominator = denominator_of(region, target.basis, asked, reference)
    if isinstance(denominator, Missing):
        reason = Missing(f"on the target's basis, {target.basis}: {denominator.reason}")
        return reason, reason
    wanted = _exactly(target.ratio) * denominator.value
    return rounded(numerator.value / wanted), math.ceil(wanted) - numerator.value


def _ratio(numerator: models.Numerator | Missing, denominator: models.Denominator | Missing) -> float | Missing:
    if isinstance(numerator, Missing):
        return numerator
    if isinstance(denominator, Missing):
        return denominator
    return rounded(Fraction(numerator.value, denominator.value))


def rounded(exact: Fraction) -> float:
    """To six places, halves to even: as `float(round(exact, 6))`, at a tenth of its time."""
    whole, rest = divmod(exact.numerator * MILLION, exact.denominator)
    more = 2 * rest - exact.denominator
    return (whole + (more > 0 or (more == 0 and whole % 2 == 1))) / MILLION


def _given(figure: T | Missing) -> T | None:
    return None if isinstance(figure, Missing) else figure


@functools.lru_cache(TARGETS_KEPT)
def _exactly(ratio: float) -> Fraction:
    return Fraction(str(ratio))


@functools.lru_cache(TARGETS_KEPT)
def _target(stored: StoredTarget) -> models.Target:
    return models.Target(
        ratio=stored.ratio,
        basis=stored.basis,
        valid_from=stored.valid_from,
        valid_to=stored.valid_to,
        source=stored.source,
        region=regions.format_code(stored.region),
    )
