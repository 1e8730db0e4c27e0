"""Beside an app, for as long as it runs: what it holds in memory is filled and kept up."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import anyio
from fastapi import FastAPI


class Tended(Protocol):
    """What is kept up by a thread of its own."""

    def tend(self, stop: threading.Event) -> None: ...


def tending(*parts: Tended) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """The lifespan of an app."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stop = threading.Event()
        # Daemons: a query that hangs must not keep the process alive.
        threads = [threading.Thread(target=each.tend, args=(stop,), daemon=True) for each in parts]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                await anyio.to_thread.run_sync(thread.join, 1.0, abandon_on_cancel=True)

    return lifespan
