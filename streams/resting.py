"""Much computing in a process that has something more urgent to do: the interpreter serves one thread at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

TURN_SECONDS = 0.005
REST = 4  # times as long as the turn before it took


class Rests:
    """Pauses in going through things, so that other threads wait for a turn at most. `seconds`: rested so far."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def between(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, with a rest after each turn's worth of them."""
        began = time.monotonic()
        for each in items:
            yield each
            worked = time.monotonic() - began
            if worked > TURN_SECONDS:
                time.sleep(worked * REST)
                self.seconds += worked * REST
                began = time.monotonic()
