"""All streams of one app: the ring and the tail that fills it, who listens to what, and when they are told.

Who wants the same shares a channel, and what is sent to them is made once. An event finds the channels that it is for
by the regions that it lies in, however many streams there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import anyio

from api import problems
from api.stream import errors
from api.stream.history import Asker, Past, Start, named_positions
from api.stream.metrics import StreamMetrics
from api.stream.options import StreamOptions
from api.stream.ring import Channel, Cursor, Entry, Format, Ring, Vector
from api.stream.tail import Batch, Tail
from events import regions
from events.errors import PublishError
from events.feed import Filter

T = TypeVar("T")

# Telling a listener and writing to it takes about half of this: however many there are, the rest is for others.
WAKE_SECONDS = 0.0001
OPENING_SECONDS = 20
LINGER_SECONDS = 30  # that the tail reads on for when nobody listens: most who leave come back at once


@dataclass(frozen=True)
class Asking:
    """What a client asks for. `who` counts against `cap`: a key's name, or an address where there is no key.

    `holds`: whether the key still does.
    """

    filter: Filter
    format: Format
    start: Start
    who: str
    cap: int
    anonymous: bool
    holds: Callable[[], Awaitable[bool]]


@dataclass(eq=False)
class Listener:
    """One open stream. `ended`: why the server ends it, empty while it does not. `held`: while it reads the past."""

    channel: Channel
    cursor: Cursor | None = None
    past: Past | None = None
    ended: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    held: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def vector(self) -> Vector:
        """Behind what was read for it last."""
        if self.past is not None:
            return self.past.vector
        assert self.cursor is not None  # noqa: S101 -- one of both
        return self.cursor.given

    def end(self, reason: str) -> None:
        self.ended = self.ended or reason
        self.news.set()


@dataclass
class _Open:
    """What there is while somebody listens."""

    ring: Ring
    tail: Tail
    filled: asyncio.Event
    end: Vector
    channels: dict[tuple[Filter, Format], Channel] = field(default_factory=dict)
    listeners: dict[Channel, set[Listener]] = field(default_factory=dict)
    index: dict[tuple[str, int], set[Channel]] = field(default_factory=dict)


class StreamHub:
    """Used from the server's event loop alone."""

    def __init__(self, options: StreamOptions, metrics: StreamMetrics) -> None:
        self.options = options
        self.metrics = metrics
        self._open: _Open | None = None
        self._asker = Asker(options.bootstrap)
        self._opening = asyncio.Lock()
        self._reading: anyio.CapacityLimiter | None = None
        self._threads: anyio.CapacityLimiter | None = None
        self._counts: Counter[str] = Counter()
        self._touched: set[Channel] = set()
        self._telling: asyncio.TimerHandle | None = None
        self._told_at = 0.0
        self._closed = False

    @property
    def count(self) -> int:
        """Open streams."""
        return self._counts.total()

    @contextlib.asynccontextmanager
    async def listening(self, asking: Asking) -> AsyncIterator[Listener]:
        """A listener at the place that was asked for, while the block runs. Raises Problem."""
        with self._counted(asking):
            there = await self._opened()
            channel = self._join(there, asking)
            listener = Listener(channel)
            there.listeners[channel].add(listener)
            try:
                await self._begin(there, listener, asking.start)
                yield listener
            finally:
                self._leave(there, listener)
                await listener.held.aclose()

    async def step(self, listener: Listener) -> bytes:
        """More of a listener's past; where that has come to the ring, the listener goes on from there."""
        past = listener.past
        assert past is not None  # noqa: S101 -- the caller looked
        if listener.channel.ring.reaches(past.vector):
            listener.cursor = listener.channel.join(past.vector)
            listener.past = None
            await listener.held.aclose()
            return b""
        return await self._in_thread(past.step)

    def close(self) -> None:
        """End every stream, and open none again."""
        self._closed = True
        if self._open is not None:
            self._end_all(self._open, "stopping")
        threading.Thread(target=self._asker.close, name="stream-end", daemon=True).start()

    @contextlib.contextmanager
    def _counted(self, asking: Asking) -> Iterator[None]:
        if self._closed:
            raise errors.stopping()
        if not self.options.bootstrap:
            raise errors.no_kafka()
        if self.count >= self.options.listeners:
            raise errors.full()
        if self._counts[asking.who] >= asking.cap:
            raise errors.over_cap(asking.anonymous, asking.cap)
        self._count(asking.who, 1)
        try:
            yield
        finally:
            self._count(asking.who, -1)

    def _count(self, who: str, more: int) -> None:
        self._counts[who] += more
        if not self._counts[who]:
            del self._counts[who]
        self.metrics.open.set(self.count)

    async def _opened(self) -> _Open:
        """The ring, filled with what was in the log when it was opened. Raises Away."""
        while not self._closed:
            async with self._opening:
                if self._open is None:
                    self._open = await self._make()
                there = self._open
            try:
                async with asyncio.timeout(OPENING_SECONDS):
                    await there.filled.wait()
            except TimeoutError:
                raise _away(f"its records did not come within {OPENING_SECONDS} s") from None
            if there is self._open:
                return there
        raise errors.stopping()

    async def _make(self) -> _Open:
        options = self.options
        self._reading = self._reading or anyio.CapacityLimiter(options.readers)
        self._threads = self._threads or anyio.CapacityLimiter(options.readers + 2)
        # A tail that has ended may have a batch on its way still: it is for the ring of its own time.
        tail = Tail(
            options.bootstrap,
            asyncio.get_running_loop(),
            lambda batch: self._take(there, batch),
            lambda: self._failed(there),
        )
        ring, end = await self._in_thread(
            lambda: tail.open(options.back_events, options.ring_events, options.ring_bytes)
        )
        there = _Open(ring, tail, asyncio.Event(), end)
        if ring.passed(end):
            there.filled.set()
        tail.run()
        return there

    def _join(self, there: _Open, asking: Asking) -> Channel:
        key = asking.filter, asking.format
        if key not in there.channels:
            channel = there.channels[key] = Channel(there.ring, asking.filter, asking.format)
            there.listeners[channel] = set()
            for place in asking.filter.regions:
                there.index.setdefault(place, set()).add(channel)
        return there.channels[key]

    def _leave(self, there: _Open, listener: Listener) -> None:
        channel = listener.channel
        there.listeners[channel].discard(listener)
        if not there.listeners[channel]:
            del there.listeners[channel], there.channels[channel.filter, channel.format]
            for place in channel.filter.regions:
                there.index[place].discard(channel)
                if not there.index[place]:
                    del there.index[place]
        if not there.listeners:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._shut_if_left, there)

    def _shut_if_left(self, there: _Open) -> None:
        if there is self._open and not there.listeners:
            self._shut(there)

    def _shut(self, there: _Open) -> None:
        """Nobody listens: nothing is read."""
        there.tail.end()
        there.filled.set()
        self._open = None
        self._touched.clear()

    async def _begin(self, there: _Open, listener: Listener, start: Start) -> None:
        channel = listener.channel
        if start.after is None and start.since is None:
            listener.cursor = channel.join()
            return
        at = await self._resolve(there.ring, channel, start)
        vector = there.ring.vector(at)
        if there.ring.reaches(vector):
            listener.cursor = channel.join(vector)
            return
        await self._wait_for_reader(listener)
        listener.past = past = await self._in_thread(lambda: Past(self.options.bootstrap, at, channel))
        listener.held.push_async_callback(self._in_thread, past.close)

    async def _resolve(self, ring: Ring, channel: Channel, start: Start) -> dict[tuple[str, int], int]:
        feeds = channel.filter.feeds
        positions = {} if start.after is None else named_positions(start.after, ring, feeds)
        places = [place for place in ring.places if place[0] in feeds]
        vector = ring.vector(positions)
        if len(positions) == len(places) and ring.reaches(vector) and ring.passed(vector):
            return positions
        since_ms = None if start.since is None else int(start.since.timestamp() * 1000)
        return await self._in_thread(lambda: self._asker.resolve(places, positions, since_ms))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Blocking work with Kafka. Raises Away."""
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._threads)
        except PublishError as error:
            raise _away(str(error)) from error

    async def _wait_for_reader(self, listener: Listener) -> None:
        """A place among those who read the past, held while it does. Raises StreamRefused (503)."""
        assert self._reading is not None  # noqa: S101 -- made with the ring
        borrower = object()
        try:
            async with asyncio.timeout(self.options.wait_seconds):
                await self._reading.acquire_on_behalf_of(borrower)
        except TimeoutError:
            raise errors.busy() from None
        self.metrics.readers.inc()
        limiter = self._reading

        def give_back() -> None:
            limiter.release_on_behalf_of(borrower)
            self.metrics.readers.dec()

        listener.held.callback(give_back)

    def _take(self, there: _Open, batch: Batch) -> None:
        """What the tail has read, into the ring and the channels that want it."""
        if there is not self._open:
            return
        for record, after in batch:
            if record is None:
                there.ring.move(after)
                continue
            entry = there.ring.append(record, after)
            for channel in _channels(there, entry):
                channel.append(entry)
                self._touched.add(channel)
        self.metrics.read.inc(len(batch))
        if not there.filled.is_set() and there.ring.passed(there.end):
            there.filled.set()
        self._tell_soon()

    def _tell_soon(self) -> None:
        if self._touched and self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_at(max(loop.time(), self._told_at), self._tell)

    def _tell(self) -> None:
        told = 0
        listeners = self._open.listeners if self._open is not None else {}
        for channel in self._touched:
            for listener in listeners.get(channel, ()):
                listener.news.set()
                told += 1
        self._touched.clear()
        self._telling = None
        self._told_at = asyncio.get_running_loop().time() + told * WAKE_SECONDS

    def _failed(self, there: _Open) -> None:
        if there is self._open:
            self._end_all(there, "tail")

    def _end_all(self, there: _Open, reason: str) -> None:
        for listeners in there.listeners.values():
            for each in listeners:
                each.end(reason)
        self._shut(there)


def _channels(there: _Open, entry: Entry) -> set[Channel]:
    feed = entry.record.place[0]
    found: set[Channel] = set()
    for region in entry.record.regions:
        for each in regions.ancestors_of(region):
            found |= there.index.get((feed, each), _NONE)
    return {each for each in found if each.filter.passes(entry.record)}


_NONE: frozenset[Channel] = frozenset()


def _away(detail: str) -> problems.Away:
    return problems.Away([{"name": "kafka", "detail": detail}])
