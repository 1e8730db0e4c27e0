"""Much computing in a process that has something more urgent to do: the interpreter serves one thread at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

TURN_SECONDS = 0.005
REST = 4  # times as long as the turn before it took


def with_rests(items: Iterable[Item]) -> Iterator[Item]:
    """The items, with a rest after each turn's worth of computing, so that other threads wait for a turn at most."""
    began = time.thread_time()  # what it waited itself, for a core or for them, held up nobody
    for each in items:
        yield each
        worked = time.thread_time() - began
        if worked > TURN_SECONDS:
            time.sleep(worked * REST)
            began = time.thread_time()
