"""The fault suite, bounded: `make chaos KILLS=200` is the long one. And that it can fail."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator

import pytest

from tests.chaos import broken, copies, disk
from tests.chaos.measure import Verdict, count
from tests.chaos.oracle import Fact, coverage
from tests.chaos.scenarios import Bounds, everything, under_load
from tests.chaos.schedule import FULL, KILLING, SHORT, Step, schedule
from tests.chaos.system import SUBSCRIBED, System, single, started

KILLS, MOST_SECONDS = 12, 30.0
# Twice: on a busy machine a worker may have nothing in its hands when it is killed.
CRASHES_IN_A_STALL = 2 * (Step("clickhouse slow", after=0.6, lasts=1.0, kills=1),)
CRASHES_OF_THE_FANOUT = (Step("kill the fan-out", after=1.5), Step("kill the fan-out", after=1.5))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Brokers and ClickHouse of these tests' own, since they are killed."""
    with started(single(tmp_path_factory.mktemp("chaos"))) as parts:
        yield parts


def crashes(steps: tuple[Step, ...]) -> Bounds:
    """Patient: what is killed before it has read has nothing to lose, and starts slowly on a busy machine."""
    return Bounds(len(steps), 1, time.monotonic() + 120, patience=60)


def counted(system: System, how: str) -> Verdict:
    """What the oracle counts of a worker that is broken on purpose, killed twice."""
    with under_load(system, crashes(CRASHES_IN_A_STALL), print, ("tests.chaos.broken", how)) as run:
        run.execute(CRASHES_IN_A_STALL)
        run.rest()
        return count(run.settings, system.acknowledged)


def test_a_worker_that_acknowledges_early_is_seen_to_lose(system: System) -> None:
    verdict = counted(system, broken.EARLY)
    assert verdict.lost > 0
    assert not verdict.right


def test_a_worker_that_counts_deliveries_is_seen_to_double(system: System) -> None:
    verdict = counted(system, broken.DELIVERIES)
    assert verdict.doubled > 0
    assert not verdict.right


def passed_on(system: System, module: tuple[str, ...]) -> copies.Copies:
    """What the provinces were passed on by a fan-out that was killed twice under load."""
    with under_load(system, crashes(CRASHES_OF_THE_FANOUT), print, module) as run:
        run.execute(CRASHES_OF_THE_FANOUT)
        run.rest()
        time.sleep(2 * broken.HELD_MS / 1000)  # what is still held is sent: only what a crash took is lost
        return copies.compare(run.settings, SUBSCRIBED)


def test_a_fan_out_that_commits_what_is_unconfirmed_is_seen_to_lose(system: System) -> None:
    found = passed_on(system, ("tests.chaos.broken", broken.UNCONFIRMED))
    assert found.verdict.lost > 0
    assert found.passed > 0


def test_nothing_is_lost_and_nothing_doubled(system: System) -> None:
    """Kills as many as fit: on a busy machine a worker takes long to start."""
    outcome = everything(system, Bounds(KILLS, 7, time.monotonic() + MOST_SECONDS), print, SHORT)
    assert outcome.verdict.wrong == []
    assert (outcome.verdict.lost, outcome.verdict.doubled) == (0, 0)
    assert outcome.verdict.events > 0
    assert outcome.kills > 0
    assert outcome.passed > 0


@pytest.mark.parametrize("deck", [FULL, SHORT])
def test_the_same_seed_is_the_same_schedule(deck: tuple[tuple[str, int], ...]) -> None:
    steps = schedule(1, 60, deck)
    assert steps == schedule(1, 60, deck)
    assert steps != schedule(2, 60, deck)
    assert sum(step.kills for step in steps) == 60
    assert {step.fault for step in steps} == {fault for fault, _ in deck}
    assert all(step.kills == (step.fault in KILLING) for step in steps)


def test_the_oracle_by_hand() -> None:
    """One life: active in A, moves to B, is on the way, arrives in A, ends."""
    a, b = 6101012001, 6172021001
    told = [("Activated", a), ("SubjectArrived", b), ("SubjectDeparted", b), ("SubjectArrived", a), ("Deactivated", a)]
    noon = 1_700_000_000_000
    facts = [
        Fact(bytes([n]), name, person=b"p", village=village, at_ms=noon + n) for n, (name, village) in enumerate(told)
    ]
    found = coverage(reversed(facts))
    day = dt.date(2023, 11, 15)
    assert found[a, day] == {"active_change": 0, "activated": 1, "deactivated": 1, "moved_in": 1, "moved_out": 1}
    assert found[b, day] == {"active_change": 0, "activated": 0, "deactivated": 0, "moved_in": 1, "moved_out": 1}
    assert found[0, day] == {"active_change": 0, "activated": 1, "deactivated": 1, "moved_in": 2, "moved_out": 2}


def test_a_full_disk_can_be_made_or_it_says_why_not() -> None:
    reason = disk.why_not()
    assert reason == "" or "unshare" in reason or "mounted" in reason
