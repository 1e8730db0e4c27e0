"""Computing beside something more urgent."""

from __future__ import annotations

import time

from streams.resting import REST, TURN_SECONDS, Rests


def test_all_come_in_order_and_long_work_is_followed_by_a_longer_rest() -> None:
    rests, seen = Rests(), []
    for each in rests.between(range(3)):
        time.sleep(2 * TURN_SECONDS)
        seen.append(each)
    assert seen == [0, 1, 2]
    assert rests.seconds >= 3 * 2 * TURN_SECONDS * REST


def test_nothing_to_go_through_takes_no_rest() -> None:
    rests = Rests()
    assert list(rests.between([])) == []
    assert rests.seconds == 0
