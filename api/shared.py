"""One look for all who ask within a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

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

    def get(self) -> T:
        """Raises what the look raises."""
        found, mine = self._latest()
        if mine:
            try:
                found.set_result(self._look())
            except BaseException as error:  # whatever it is, those who wait for this look have it too
                found.set_exception(error)
        return found.result()

    def _latest(self) -> tuple[Future[T], bool]:
        """The look to share, and whether it is the caller's to make."""
        with self._lock:
            now = self._ticks()
            if now < self._until:
                return self._found, False
            self._found, self._until = Future(), now + self._seconds
            return self._found, True
