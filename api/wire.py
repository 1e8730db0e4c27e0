"""The connection of one open stream, and the pulse that shows it is alive: of live rates and of events.

Written to directly and not by `StreamingResponse`, and with one timer a stream and not one for each wait: with many
streams those took most of what this code costs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from starlette.types import Receive, Scope, Send

TRANSPORT = "cakupan.transport"  # where the server leaves its own in the scope, see `api.server`
LINGER_SECONDS = 30.0  # for a last word to be taken, before the connection is cut


def _uncounted(_: float) -> None:
    pass


class Wire:
    """The connection of one stream. `on_sent` takes the bytes of each chunk; a client that takes nothing for `patience`
    seconds is given up, or never."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        on_sent: Callable[[float], None] = _uncounted,
        patience: float | None = None,
    ) -> None:
        self._transport: Any = (scope.get("extensions") or {}).get(TRANSPORT)
        self._receive = receive
        self._send = send
        self._on_sent = on_sent
        self._patience = patience

    async def begin(self, media_type: str) -> None:
        headers = [
            (b"content-type", media_type.encode()),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    @contextlib.contextmanager
    def watched(self, on_left: Callable[[], None]) -> Iterator[None]:
        """`on_left` is called if the client leaves while the block runs."""

        async def watch() -> None:
            await self._left()
            on_left()

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()

    async def _left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def write(self, chunk: bytes) -> bool:
        """False: the client takes nothing. What was handed over before stays within the server's small buffer."""
        if not chunk:
            return True
        message = {"type": "http.response.body", "body": chunk, "more_body": True}
        if self._transport is not None and not self._transport.get_write_buffer_size():
            await self._send(message)  # nothing is before it, so it does not wait
        else:
            try:
                async with asyncio.timeout(self._patience):
                    await self._send(message)
            except TimeoutError:
                return False
        self._on_sent(len(chunk))
        return True

    async def end(self, word: bytes = b"") -> None:
        """A last word and the end; behind what a client has not taken yet, it waits a while to be taken."""
        if word and self._transport is not None and self._transport.get_write_buffer_size():
            self._transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(word), word))
            cut = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.abort)
            self._transport.close()
            await self._left()
            cut.cancel()
            return
        await self._send({"type": "http.response.body", "body": word, "more_body": False})


class Pulse:
    """Wakes a listener that nothing has come for. One timer a stream, put off by noting a time."""

    def __init__(self, news: asyncio.Event, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = news
        self._seconds = seconds
        self._at = self._loop.time() + seconds
        self._timer = self._loop.call_at(self._at, self._ring)

    @property
    def due(self) -> bool:
        return self._loop.time() >= self._at

    def put_off(self) -> None:
        self._at = self._loop.time() + self._seconds

    def stop(self) -> None:
        self._timer.cancel()

    def _ring(self) -> None:
        now = self._loop.time()
        if now >= self._at:
            self._news.set()
        self._timer = self._loop.call_at(self._at if self._at > now else now + self._seconds, self._ring)
