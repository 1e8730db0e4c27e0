"""The contract's arithmetic and its reasons, without a database."""

from __future__ import annotations

import datetime as dt
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import coverage, log_state, series
from api.coverage import Asked, Facts
from api.log_state import Remembered
from api.rates import end_of_minute
from events import regions
from projections.answers import Change, Denominator, Place, Reference, Target, villages_of
from projections.facts import Sources

DAY = dt.date(2024, 6, 30)
SAMBAS = regions.region(6101)
ASKED = Asked(DAY, DAY)


def facts(active: int | None, count: int | None, ratio: float | None) -> Facts:
    reference = Reference()
    if count is not None:
        reference.denominators[6101, "recorded", False] = Denominator(count, DAY, DAY, "somebody", "")
    if ratio is not None:
        reference.targets[6101] = Target(6101, "recorded", ratio, DAY, None, "somebody")
    return Facts({6101: active} if active is not None else {}, set(), reference)


people = st.integers(0, 300_000_000)


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**9) | st.sampled_from((2 * 10**6, 16 * 10**6, 3, 7)))
def test_figures_are_rounded_to_six_places_halves_to_even(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert coverage.rounded(exact) == float(round(exact, 6))


@given(people, st.integers(1, 1_000_000_000), st.integers(1, 1_000_000))
def test_ratios_are_exact_and_never_clamped(active: int, count: int, millionths: int) -> None:
    ratio = millionths / 1_000_000
    answer = coverage.figures(SAMBAS, ASKED, facts(active, count, ratio))
    wanted = Fraction(millionths, 1_000_000) * count
    assert answer.coverage == float(round(Fraction(active, count), 6))
    assert answer.attainment == float(round(active / wanted, 6))
    assert answer.missing == math.ceil(wanted) - active
    assert answer.absent == []


def test_more_than_all_and_more_than_the_target() -> None:
    answer = coverage.figures(SAMBAS, ASKED, facts(452_093, 452_092, 0.3))
    assert answer.coverage == 1.000002
    assert answer.attainment == 3.333341
    assert answer.missing == 135_628 - 452_093


def test_a_decimal_ratio_is_the_decimal() -> None:
    """0.1 x 30 is 3, in whatever way a machine writes 0.1."""
    assert coverage.figures(SAMBAS, ASKED, facts(0, 30, 0.1)).missing == 3
    assert coverage.figures(SAMBAS, ASKED, facts(0, 31, 0.1)).missing == 4


@pytest.mark.parametrize("active", [None, 0, 5])
@pytest.mark.parametrize("count", [None, 10])
@pytest.mark.parametrize("ratio", [None, 0.3])
@pytest.mark.parametrize("ahead", [0, 1])
def test_a_figure_is_given_or_absent_with_a_reason(
    active: int | None, count: int | None, ratio: float | None, ahead: int
) -> None:
    answer = coverage.figures(SAMBAS, Asked(DAY + ahead * dt.timedelta(days=1), DAY), facts(active, count, ratio))
    named = [each.field for each in answer.absent]
    for field in ("numerator", "denominator", "coverage", "target", "attainment", "missing"):
        assert (getattr(answer, field) is None) == (field in named)
    assert len(named) == len(set(named))
    assert all(each.reason for each in answer.absent)


@pytest.mark.parametrize(
    ("spoken_for", "code", "heard"),
    [
        ({0}, 6101012001, True),
        ({6101}, 6101012001, True),
        ({6101}, 61, True),
        ({6101012001}, 0, True),
        ({6101012001}, 6101, True),
        ({6101}, 6102, False),
        ({6101012001}, 6101012002, False),
        (set(), 0, False),
    ],
)
def test_who_is_heard(spoken_for: set[int], code: int, heard: bool) -> None:
    sources = Sources((each, 7, 5) for each in spoken_for)
    assert sources.heard(code) is sources.heard(code, 7) is heard
    assert not sources.heard(code, 6)
    assert sources.vouch(code, 5) is heard
    assert not sources.vouch(code, 6)


@pytest.mark.parametrize(
    ("code", "low", "high"),
    [
        (0, 0, 9_999_999_999),
        (61, 6_100_000_000, 6_199_999_999),
        (6101, 6_101_000_000, 6_101_999_999),
        (610101, 6_101_010_000, 6_101_019_999),
        (6101012001, 6_101_012_001, 6_101_012_001),
    ],
)
def test_a_subtree_is_a_range(code: int, low: int, high: int) -> None:
    assert villages_of(code) == (low, high)


days = st.dates(dt.date(2022, 1, 1), dt.date(2026, 12, 31))


@given(days, st.integers(0, 900), st.sampled_from(["day", "week", "month"]))
def test_periods_cover_every_day_once(first: dt.date, length: int, interval: str) -> None:
    last = first + dt.timedelta(days=length)
    covered = [
        start + dt.timedelta(days=n)
        for start, end in series.periods(interval, first, last)
        for n in range((end - start).days + 1)
    ]
    assert covered == [first + dt.timedelta(days=n) for n in range(length + 1)]


def test_what_was_before_is_carried() -> None:
    changes = [Change(dt.date(2024, 5, 31), 7, 9, 2, 0, 0), Change(dt.date(2024, 6, 2), 1, 1, 0, 0, 0)]
    points = series.points(changes, "day", dt.date(2024, 6, 1), dt.date(2024, 6, 3))
    assert [each.active for each in points] == [7, 8, 8]
    assert [each.activated for each in points] == [0, 1, 0]


NOW = dt.datetime(2024, 6, 30, 10, tzinfo=dt.UTC)


def place(lag: int, record: float, checked: float) -> Place:
    ago = [NOW - dt.timedelta(seconds=each) for each in (record, checked)]
    return Place("t", 0, 10 - lag, 10, lag == 0, *ago)


@pytest.mark.parametrize(
    ("places", "age"),
    [
        ([], None),
        ([place(0, 900, 2)], 2.0),
        ([place(0, 900, 2), place(0, 5, 4)], 4.0),
        ([place(0, 900, 2), place(3, 60, 1)], 60.0),
        ([place(1, 30, 2), place(3, 60, 1)], 60.0),
        ([place(0, 0, -5)], 0.0),
    ],
)
def test_age(places: list[Place], age: float | None) -> None:
    assert log_state.age_seconds(places, NOW) == age


def test_a_look_for_generated_events_is_not_repeated_for_nothing() -> None:
    seen: list[float] = []
    clock = [0.0]
    found = [False]

    def look() -> bool:
        seen.append(clock[0])
        clock[0] += 1  # a look takes a second
        return found[0]

    remembered = Remembered(look, lambda: clock[0])
    assert remembered.at("a") is remembered.at("a") is remembered.at("b") is False
    assert seen == [0.0]
    clock[0] = 101.0
    assert remembered.at("a") is False  # the log has not moved
    assert remembered.at("b") is False
    assert seen == [0.0, 101.0]
    found[0], clock[0] = True, 999.0
    assert remembered.at("c") is remembered.at("d") is True
    assert len(seen) == 3


def test_the_end_of_a_minute() -> None:
    for at, end in (("10:00:00", "10:00:00"), ("10:00:00.000001", "10:01:00"), ("10:59:59.999999", "11:00:00")):
        moments = [dt.datetime.fromisoformat(f"2024-06-30T{each}+00:00") for each in (at, end)]
        assert end_of_minute(moments[0]) == moments[1]
