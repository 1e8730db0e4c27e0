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

log = logging.getLogger(__name__)

STAGE_SECONDS = 5.0
STAGE_SHARE = 0.05  # of the time at most: live numbers come first
FILL_SHARE = 0.25  # where everybody is staged
LONGEST_PAUSE = 60.0
LOOK_SECONDS = 1.0


async def stage_forever(database: Database, behind: Callable[[], bool], seconds: float = STAGE_SECONDS) -> None:
    """Stage the people of new events every so many seconds, and nobody while the worker is `behind`."""
    silent, pause, database = False, seconds, database.at_leisure()
    while True:
        await asyncio.sleep(pause)
        try:
            silent, pause = False, _pause(await _stage(database, behind), seconds)
        except DatabaseError as error:
            if not silent:  # once an outage
                log.warning("staging people: %s", error)
            silent = True


def _pause(took: float, seconds: float) -> float:
    return max(seconds, min(took * (1 / STAGE_SHARE - 1), LONGEST_PAUSE))


async def _stage(database: Database, behind: Callable[[], bool]) -> float:
    """Returns the seconds that it worked: what it waited for the worker and between its steps is no work."""
    steps, more, worked = stages.refresh(database), True, 0.0
    while more:
        while behind():
            await asyncio.sleep(LOOK_SECONDS)
        began = time.monotonic()
        more = await asyncio.to_thread(next, steps, None) is not None
        took = time.monotonic() - began
        worked += took
        if more:  # a nation that is staged for the first time is minutes of work
            await asyncio.sleep(took * (1 / FILL_SHARE - 1))
    return worked
