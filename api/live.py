"""Live streams: one look at the numbers for all who listen to a region, pushed when they change.

Hub        all feeds; closes them when the server stops
Feed       one region, looked at every so often while somebody listens
Listener   one open stream; holds the latest message only, so a slow reader never builds a queue
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import anyio
from fastapi import Response
from starlette.types import Receive, Scope, Send

from api import models, problems
from api.options import ApiOptions
from api.problems import Problem
from api.wire import Pulse, Wire
from events.regions import Region
from projections.errors import QueryFailed, Unavailable

log = logging.getLogger("cakupan.api")

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b": still here\n\n"
RECONNECT_MS = 2000
POLLING_THREADS = 4
# Between two looks, for each who listens: sending to them takes half of it, and other requests wait meanwhile.
PUSH_SECONDS = 0.0001
# Rates show an event before coverage does, which follows when the position moves past it: that is told for so long.
FOLLOW_SECONDS = 10.0

Look = Callable[[Region], models.RatesAnswer]


@dataclass(frozen=True)
class Message:
    """An event of a stream. Two with the same `numbers` say the same, whatever the time. `position`: see `Data`."""

    event: str
    numbers: object
    data: str
    problem: Problem | None = None
    position: object = None

    @functools.cached_property
    def lines(self) -> bytes:
        """As all who listen get it."""
        return f"event: {self.event}\ndata: {self.data}\n\n".encode()


class Listener:
    """One open stream. `news`: there is something to take, or nothing more to wait for."""

    def __init__(self) -> None:
        self.closed = False
        self.news = asyncio.Event()
        self._latest: Message | None = None

    def push(self, message: Message) -> None:
        self._latest = message
        self.news.set()

    def close(self) -> None:
        self.closed = True
        self.news.set()

    async def next(self) -> Message | None:
        """The latest message not yet taken; None at the end, or where it was woken for something else."""
        await self.news.wait()
        if self.closed:
            return None
        self.news.clear()
        message, self._latest = self._latest, None
        return message


class Feed:
    """One region's numbers. Looks while it has listeners, and ends with the last."""

    def __init__(self, region: Region, look: Look, options: ApiOptions, threads: anyio.CapacityLimiter) -> None:
        self.listeners: set[Listener] = set()
        self._region = region
        self._look = look
        self._options = options
        self._threads = threads
        self._last: Message | None = None
        self._follow_until = 0.0
        self._task: asyncio.Task[None] | None = None

    def join(self, listener: Listener) -> None:
        self.listeners.add(listener)
        if self._last is not None:
            listener.push(self._last)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def leave(self, listener: Listener) -> None:
        self.listeners.discard(listener)
        if not self.listeners and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            message = await self._ask()
            if self._is_news(message):
                self._last = message
                for each in self.listeners:
                    each.push(message)
            await asyncio.sleep(max(self._options.poll_seconds, PUSH_SECONDS * len(self.listeners)))

    def _is_news(self, message: Message) -> bool:
        now, last = time.monotonic(), self._last
        if last is None or message.numbers != last.numbers:
            self._follow_until = now + FOLLOW_SECONDS
            return True
        return message.position != last.position and now < self._follow_until

    async def _ask(self) -> Message:
        try:
            answer = await anyio.to_thread.run_sync(
                self._look, self._region, abandon_on_cancel=True, limiter=self._threads
            )
        except Unavailable as error:
            return _trouble(problems.clickhouse_away(error, self._options.clickhouse_setting))
        except QueryFailed as error:
            return _trouble(problems.query_refused(error))
        except Exception:  # the stream says so and goes on: a dead poller would look like quiet numbers
            log.exception("a look at live rates failed")
            return _trouble(problems.internal())
        numbers = [(each.total, each.channels) for each in answer.windows]
        text = answer.model_dump_json(by_alias=True)
        return Message("rates", (numbers, answer.absent), text, position=answer.data.position)


def _trouble(problem: Problem) -> Message:
    return Message("problem", problem.body["type"], json.dumps(problem.body), problem)


KEY_GONE = _trouble(Problem(401, "bad-key", "the key that this stream was opened with holds no more"))


class Hub:
    """All feeds of one app. Used from the server's event loop alone."""

    def __init__(self, look: Look, options: ApiOptions, on_count: Callable[[int], None]) -> None:
        self._look = look
        self._options = options
        self._on_count = on_count
        self._feeds: dict[int, Feed] = {}
        self._threads: anyio.CapacityLimiter | None = None
        self._closed = False

    @property
    def count(self) -> int:
        """Open streams."""
        return sum(len(feed.listeners) for feed in self._feeds.values())

    @contextlib.contextmanager
    def listening(self, region: Region) -> Iterator[Listener]:
        """A listener while the block runs. Raises Problem (503) when full or closing."""
        if self._closed or self.count >= self._options.live_listeners:
            detail = "the API is stopping" if self._closed else "no more live streams can be opened now"
            raise problems.Away([{"name": "live", "detail": detail}])
        feed = self._feed(region)
        listener = Listener()
        feed.join(listener)
        self._on_count(self.count)
        try:
            yield listener
        finally:
            feed.leave(listener)
            if not feed.listeners:
                self._feeds.pop(region.number, None)
            self._on_count(self.count)

    def close(self) -> None:
        """End every stream, and open none again."""
        self._closed = True
        for feed in self._feeds.values():
            for listener in feed.listeners:
                listener.close()

    def _feed(self, region: Region) -> Feed:
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(POLLING_THREADS)
        if region.number not in self._feeds:
            self._feeds[region.number] = Feed(region, self._look, self._options, self._threads)
        return self._feeds[region.number]


class LiveResponse(Response):
    """A stream of a region's rates; or the problem, where even the first look fails.

    `holds`: whether the key that it was opened with still does, asked as often as there are heartbeats.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self, hub: Hub, region: Region, heartbeat_seconds: float, holds: Callable[[], Awaitable[bool]]
    ) -> None:
        super().__init__()
        self._holds = holds
        self._hub = hub
        self._region = region
        self._heartbeat_seconds = heartbeat_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._hub.listening(self._region) as listener:
            first = await listener.next()
            if first is None or first.problem is not None:
                await _refusal(first)(scope, receive, send)
                return
            wire = Wire(scope, receive, send)
            await wire.begin(f"{MEDIA_TYPE}; charset=utf-8")
            with wire.watched(listener.close):
                async for chunk in self._lines(first, listener):
                    await wire.write(chunk)
        await wire.end()

    async def _lines(self, first: Message, listener: Listener) -> AsyncIterator[bytes]:
        yield f"retry: {RECONNECT_MS}\n".encode() + first.lines
        checked_at = time.monotonic()
        pulse = Pulse(listener.news, self._heartbeat_seconds)
        try:
            while not listener.closed:
                if time.monotonic() - checked_at >= self._heartbeat_seconds:
                    checked_at = time.monotonic()
                    if not await self._holds():
                        yield KEY_GONE.lines
                        return
                message = await listener.next()
                if message is not None:
                    yield message.lines
                    pulse.put_off()
                elif pulse.due:
                    yield HEARTBEAT
                    pulse.put_off()
        finally:
            pulse.stop()


def _refusal(first: Message | None) -> Response:
    stopping = problems.Away([{"name": "live", "detail": "the API is stopping"}])
    return problems.respond(stopping if first is None or first.problem is None else first.problem)
