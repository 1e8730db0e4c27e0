"""The keys in memory: a request costs no query."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping

import anyio

from projections import keys
from projections.keys import Key

PAUSE_SECONDS = 0.05  # between two looks at the keys, however many wrong ones are tried


class Keyring:
    """The keys in memory, for some seconds. What is not among them is looked for anew, so a new key holds at once."""

    def __init__(self, read: Callable[[], Mapping[str, Key]], seconds: float, clock: Callable[[], dt.datetime]) -> None:
        self._read = read
        self._seconds = seconds
        self._clock = clock
        self._held: Mapping[str, Key] = {}
        self._read_at = float("-inf")
        self._lock: anyio.Lock | None = None

    async def find(self, secret: str) -> Key | None:
        """The key with this secret, None where none holds. Raises DatabaseError."""
        wanted = keys.digest(secret)
        asked_at = time.monotonic()
        if asked_at - self._read_at > self._seconds or wanted not in self._held:
            await self._look(asked_at)
        key = self._held.get(wanted)
        return None if key is None or key.expired(self._clock()) else key

    async def _look(self, asked_at: float) -> None:
        """One look for all who wait for one; it begins after they asked."""
        if self._lock is None:
            self._lock = anyio.Lock()
        async with self._lock:
            if self._read_at >= asked_at:
                return
            await anyio.sleep(max(0.0, self._read_at + PAUSE_SECONDS - time.monotonic()))
            begun = time.monotonic()
            self._held = await anyio.to_thread.run_sync(self._read)
            self._read_at = begun
