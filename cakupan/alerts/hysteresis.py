"""When an alert is raised and when it is cleared, pure: two thresholds and two periods, so that nothing flaps."""

from __future__ import annotations

from dataclasses import dataclass

from cakupan.alerts.finding import Finding


@dataclass(frozen=True, slots=True)
class Rule:
    """For how long what is measured has to keep at or over the upper threshold before an alert is raised, and at or
    under the lower one before it is cleared: milliseconds."""

    raise_after_ms: int
    clear_after_ms: int


@dataclass(frozen=True, slots=True)
class State:
    """Whether an alert is open. `turning_ms`: since when each look would have had it otherwise; None: the last would
    not."""

    open: bool = False
    turning_ms: int | None = None


def step(state: State, found: Finding | None, rule: Rule, now_ms: int) -> State:
    """The state after a look. `found` None: nothing can be told, so nothing changes and every period begins anew."""
    if found is None or not _turns(state, found):
        return State(state.open)
    since = now_ms if state.turning_ms is None else state.turning_ms
    wait = rule.clear_after_ms if state.open else rule.raise_after_ms
    return State(not state.open) if now_ms - since >= wait else State(state.open, since)


def _turns(state: State, found: Finding) -> bool:
    return found.measured <= found.clear_at if state.open else found.measured >= found.raise_at
