"""Work in steps beside the way in: never while the worker is behind, and for no more than a share of the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

LOOK_SECONDS = 1.0


async def step_by_step(steps: Iterator[Any], share: float, behind: Callable[[], bool]) -> float:
    """Go through `steps`, each in a thread. Raises what they raise.

    Returns the seconds that it worked: what it waited for the worker and between its steps is no work.
    """
    worked, over = 0.0, object()
    while True:
        while behind():
            await asyncio.sleep(LOOK_SECONDS)
        began = time.monotonic()
        came = await asyncio.to_thread(next, steps, over)
        took = time.monotonic() - began
        worked += took
        if came is over:
            return worked
        await asyncio.sleep(rest_after(took, share))  # a nation is minutes of work


def rest_after(took: float, share: float) -> float:
    """So long after work of so many seconds, it took no more than this share of the time."""
    return took * (1 / share - 1)
