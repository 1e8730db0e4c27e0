"""Keeping up who has moved before (`projections.known`), beside the way in.

It never stops the worker: whoever is not known of is looked for everywhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from projections.errors import DatabaseError
from projections.known import Known
from streams.leisure import step_by_step

log = logging.getLogger(__name__)

KNOW_SECONDS = 5.0  # what came since is read by every recompute of new people
KNOW_SHARE = 0.25  # of the time at most, where everybody is read


async def know_forever(known: Known, behind: Callable[[], bool], seconds: float = KNOW_SECONDS) -> None:
    """Read who has moved every so many seconds, and nobody while the worker is `behind`."""
    silent = False
    while True:
        before = known.people
        try:
            await step_by_step(known.keep_up(), KNOW_SHARE, behind)
            silent = False
        except DatabaseError as error:
            known.forget()  # it may come back with less in it
            if not silent:  # once an outage
                log.warning("reading who has moved: %s", error)
            silent = True
        if (now := known.people) is not None and now is not before:
            log.info("knows %s moves of people, in %d MiB", f"{now.count:,}", now.size >> 20)
        await asyncio.sleep(seconds)
