"""Computing beside something more urgent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from streams.resting import REST, TURN_SECONDS, with_rests


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Seconds of each rest."""
    found: list[float] = []
    monkeypatch.setattr("streams.resting.time.sleep", found.append)
    yield found


def test_all_come_in_order_and_long_work_is_followed_by_a_longer_rest(rests: list[float]) -> None:
    seen = []
    for each in with_rests(range(3)):
        began = time.thread_time()
        while time.thread_time() - began < 2 * TURN_SECONDS:
            pass
        seen.append(each)
    assert seen == [0, 1, 2]
    assert [each >= 2 * TURN_SECONDS * REST for each in rests] == [True] * 3


def test_what_only_waits_takes_no_rest(rests: list[float]) -> None:
    for _ in with_rests(range(3)):
        threading.Event().wait(2 * TURN_SECONDS)
    assert rests == []


def test_nothing_to_go_through_takes_no_rest(rests: list[float]) -> None:
    assert list(with_rests([])) == []
    assert rests == []
