"""One look for all who ask within a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

LONG, LONGEST = 2, 5  # times the seconds that a look is shared for
# The same: so long who tends the looks is waited for. A thread for a look holds up whoever answers while it starts.
GRACE = 0.25
T = TypeVar("T")


class Shared(Generic[T]):
    """What a look finds, or how it fails, for all who ask within so many seconds of its begin."""

    def __init__(self, look: Callable[[], T], seconds: float, ticks: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._seconds = seconds
        self._ticks = ticks
        self._lock = threading.Lock()
        self._found: Future[T] = Future()
        self._until = float("-inf")
        self._last: tuple[T, float] | None = None

    def get(self) -> T:
        """Raises what the look raises."""
        found, mine = self._latest()
        if mine:
            self._make(found)
        return found.result()

    def recent(self) -> T | None:
        """What the last look found, if it began at most twice as long ago as looks are shared; nothing is waited for.

        Where the next one is due and nobody begins it, it is made in the background; while it takes long, up to five
        times as long ago.
        """
        last, under_way = self._last, self._until > float("-inf") and not self._found.done()
        if last is None or self._ticks() >= last[1] + (LONGEST if under_way else LONG) * self._seconds:
            return None
        if not under_way and self._ticks() >= self._until + GRACE * self._seconds:
            found, mine = self._latest()
            if mine:
                threading.Thread(target=self._make, args=(found,), daemon=True).start()
        return last[0]

    def _make(self, found: Future[T]) -> None:
        begun = self._ticks()
        try:
            looked = self._look()
        except BaseException as error:  # whatever it is, those who wait for this look have it too
            found.set_exception(error)
            return
        with self._lock:
            if self._last is None or self._last[1] <= begun:
                self._last = looked, begun
        found.set_result(looked)

    def _latest(self) -> tuple[Future[T], bool]:
        """The look to share, and whether it is the caller's to make."""
        with self._lock:
            now = self._ticks()
            if now < self._until:
                return self._found, False
            self._found, self._until = Future(), now + self._seconds
            return self._found, True
