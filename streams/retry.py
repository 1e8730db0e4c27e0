"""Two failure words: retry later, and never retry."""

from __future__ import annotations

import asyncio
import logging
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


async def until_done(what: str, work: Callable[[], Result]) -> Result:
    """Run blocking `work` in a thread until it succeeds.

    A part that is away is waited for as long as it takes. A statement that the server refuses is tried a few times,
    since a schema may be on its way, and then stops the worker: nothing is acknowledged, so nothing is lost.
    """
    pause, refusals = FIRST_PAUSE, 0
    while True:
        try:
            return await asyncio.to_thread(work)
        except (Unavailable, PublishError) as error:
            METRICS.retries.labels(what).inc()
            log.warning("%s: %s; next try in %.1f s", what, error, pause)
        except QueryFailed as error:
            refusals += 1
            if refusals == REFUSALS_BEFORE_STOP:
                raise StopWorker(f"{what}: {error}; is the schema up to date? run: cakupan migrate") from error
            log.warning("%s: %s; next try in %.1f s", what, error, pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
