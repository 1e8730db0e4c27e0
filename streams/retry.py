"""Two failure words: retry later, and never retry."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from events.errors import PublishError
from projections.errors import QueryFailed, Unavailable
from streams.metrics import METRICS
from streams.runner import StopWorker

log = logging.getLogger(__name__)
Result = TypeVar("Result")

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0
REFUSALS_BEFORE_STOP = 4


class Waits:
    """What the worker waits for on purpose, because a part is away. From any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, str] = {}
        self._ended_at = -math.inf

    def note(self, what: str, why: str) -> None:
        """`what` waits."""
        with self._lock:
            self._open[what] = why

    def end(self, what: str) -> None:
        """`what` waits no more."""
        with self._lock:
            if self._open.pop(what, None) is not None:
                self._ended_at = self._clock()

    def now(self) -> list[str]:
        """What is waited for at present, each with what is away."""
        with self._lock:
            return [f"{what}: {why}" for what, why in self._open.items()]

    def ended_ago(self) -> float:
        """Seconds since the last wait ended: 0 while there is one, infinite if there was none."""
        with self._lock:
            return 0.0 if self._open else self._clock() - self._ended_at


WAITS = Waits()


async def until_done(what: str, work: Callable[[], Result]) -> Result:
    """Run blocking `work` in a thread until it succeeds.

    A part that is away is waited for as long as it takes. A statement that the server refuses is tried a few times,
    since a schema may be on its way, and then stops the worker: nothing is acknowledged, so nothing is lost.
    """
    try:
        return await _until_done(what, work)
    finally:
        WAITS.end(what)


async def _until_done(what: str, work: Callable[[], Result]) -> Result:
    pause, refusals = FIRST_PAUSE, 0
    while True:
        try:
            return await asyncio.to_thread(work)
        except (Unavailable, PublishError) as error:
            METRICS.retries.labels(what).inc()
            WAITS.note(what, str(error))
            log.warning("%s: %s; next try in %.1f s", what, error, pause)
        except QueryFailed as error:
            refusals += 1
            if refusals == REFUSALS_BEFORE_STOP:
                raise StopWorker(f"{what}: {error}; is the schema up to date? run: cakupan migrate") from error
            log.warning("%s: %s; next try in %.1f s", what, error, pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
