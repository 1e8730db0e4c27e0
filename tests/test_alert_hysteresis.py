"""When alerts are raised and cleared: whatever is measured, nothing flaps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from cakupan.alerts.finding import Finding, Key
from cakupan.alerts.hysteresis import Rule, State, step

KEY = Key("stall", 6101)
LOW, HIGH = 10.0, 20.0
LOOK_MS = 60_000
rules = st.builds(Rule, st.integers(0, 5).map(LOOK_MS.__mul__), st.integers(0, 5).map(LOOK_MS.__mul__))
measured = st.none() | st.floats(0, 30)
looks = st.lists(measured, max_size=60)


def found(value: float | None) -> Finding | None:
    return None if value is None else Finding(KEY, value, HIGH, LOW, 0, "")


def states(values: Iterable[float | None], rule: Rule, first: State | None = None, at: int = 0) -> Iterator[State]:
    """One after each look, a minute apart, with the one before all of them."""
    state = first or State()
    yield state
    for n, value in enumerate(values):
        state = step(state, found(value), rule, at + n * LOOK_MS)
        yield state


def changes(values: Iterable[float | None], rule: Rule) -> list[tuple[int, bool]]:
    """At which look it was raised (True) or cleared."""
    pairs = itertools.pairwise(states(values, rule))
    return [(n, after.open) for n, (before, after) in enumerate(pairs) if before.open != after.open]


def recount(values: Sequence[float | None], rule: Rule) -> list[tuple[int, bool]]:
    """Said otherwise: a change is at the end of a run of looks beyond the threshold that is long enough, and no look
    counts for two changes."""
    out: list[tuple[int, bool]] = []
    begin = 0
    for n in range(len(values)):
        opens = len(out) % 2 == 0
        wait = (rule.raise_after_ms if opens else rule.clear_after_ms) // LOOK_MS
        run = values[max(begin, n - wait) : n + 1]
        beyond = [each is not None and (each >= HIGH if opens else each <= LOW) for each in run]
        if len(run) == wait + 1 and all(beyond):
            out.append((n, opens))
            begin = n + 1
    return out


@given(looks, rules)
def test_changes_are_those_of_a_plain_recount(values: list[float | None], rule: Rule) -> None:
    assert changes(values, rule) == recount(values, rule)


@given(st.lists(st.floats(LOW, HIGH, exclude_min=True, exclude_max=True)), rules, st.booleans())
def test_what_wanders_between_the_thresholds_changes_nothing(values: list[float], rule: Rule, opened: bool) -> None:
    assert {each.open for each in states(values, rule, State(opened))} == {opened}


@given(st.lists(st.floats(0, 30), max_size=60), rules)
def test_between_two_changes_it_was_beyond_the_other_threshold(values: list[float], rule: Rule) -> None:
    """Raised at or over the upper one and cleared at or under the lower one, in turn."""
    told = changes(values, rule)
    assert [opened for _, opened in told] == [n % 2 == 0 for n in range(len(told))]
    for look, opened in told:
        assert values[look] >= HIGH if opened else values[look] <= LOW


@given(looks, rules, st.integers(1, 3))
def test_looks_that_are_doubled_raise_nothing_twice(values: list[float | None], rule: Rule, times: int) -> None:
    """At the same moment the same is seen: where nothing has to last, it may only be told sooner."""
    state, told = State(), []
    for n, value in enumerate(values):
        for _ in range(times):
            after = step(state, found(value), rule, n * LOOK_MS)
            if after.open != state.open:
                told.append((n, after.open))
            state = after
    assert told == changes(values, rule)


@given(looks, looks, rules)
def test_a_restart_knows_what_is_open_and_lets_periods_begin_anew(
    before: list[float | None], after: list[float | None], rule: Rule
) -> None:
    *_, last = states(before, rule)
    at = len(before) * LOOK_MS
    restarted = list(states(after, rule, State(last.open), at))
    gone_on = list(states(after, rule, last, at))
    assert restarted[0].open == last.open
    # It never says what the one that went on would not have said by then or a period later.
    sooner = [n for n, (a, b) in enumerate(zip(restarted, gone_on, strict=True)) if a.open != b.open]
    if sooner:
        assert gone_on[sooner[0]].open != last.open


@given(st.floats(HIGH, 30), st.integers(0, 5))
def test_what_lasts_is_raised_when_the_period_is_over(value: float, looks_: int) -> None:
    assert changes([value] * 10, Rule(looks_ * LOOK_MS, 0)) == [(looks_, True)]
    broken = [value] * looks_ + [None] + [value] * 10
    assert changes(broken, Rule(looks_ * LOOK_MS, 0)) == [(looks_ + 1 + looks_, True)] if looks_ else True
