"""Keeping up how far people have come (`projections.stages`), beside the way in and after it.

It never stops the worker: an answer that rests on it says how far it is behind.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from projections import stages
from projections.clickhouse import Database
from projections.errors import DatabaseError
from streams.leisure import LOOK_SECONDS, rest_after, step_by_step

log = logging.getLogger(__name__)

STAGE_SECONDS = 5.0
STAGE_SHARE = 0.05  # of the time at most: live numbers come first
FILL_SHARE = 0.25  # where everybody is staged, and where the worker has nothing else to do
LONGEST_PAUSE = 60.0


async def stage_forever(
    database: Database,
    behind: Callable[[], bool],
    at_rest: Callable[[], bool] = lambda: False,
    seconds: float = STAGE_SECONDS,
) -> None:
    """Stage the people of new events every so many seconds, sooner while the worker is `at_rest`, and nobody while it
    is `behind`."""
    silent, took, database = False, 0.0, database.at_leisure()
    while True:
        await _pause(took, seconds, at_rest)
        try:
            silent, took = False, await step_by_step(stages.refresh(database), FILL_SHARE, behind)
        except DatabaseError as error:
            if not silent:  # once an outage
                log.warning("staging people: %s", error)
            silent = True


async def _pause(took: float, seconds: float, at_rest: Callable[[], bool]) -> None:
    """After work of so many seconds."""
    began = time.monotonic()
    soonest, latest = (
        began + max(seconds, min(rest_after(took, share), LONGEST_PAUSE)) for share in (FILL_SHARE, STAGE_SHARE)
    )
    await asyncio.sleep(soonest - began)
    while (left := latest - time.monotonic()) > 0 and not at_rest():
        await asyncio.sleep(min(left, LOOK_SECONDS))
