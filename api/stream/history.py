"""Where a stream begins, and the way from there to the ring: a reader of the stream's own."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.stream import errors
from api.stream.ring import MOST_CHUNK_BYTES, Channel, Ring, Vector
from events import feed, jsonform
from events.feed import BY_TOPIC, BadPositions, Place
from events.feed_reader import FeedReader

NAME = "cakupan-stream-past"
MOST_AT_ONCE = 2000
WAIT_SECONDS = 0.2
LONGEST_STEP = 0.2  # seconds


@dataclass(frozen=True)
class Start:
    """Where a client wants to begin: behind an event, else at a time, else now."""

    after: str | None = None
    since: dt.datetime | None = None


class Asker:
    """Asks Kafka where a stream begins. One for all; each question waits for the one before. Blocks."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._lock = threading.Lock()
        self._reader: FeedReader | None = None

    def close(self) -> None:
        with self._lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def resolve(
        self, places: Sequence[Place], positions: Mapping[Place, int], since_ms: int | None
    ) -> dict[Place, int]:
        """The offset to begin with at each place: the one given, else the first since then, else the next.

        Raises StreamRefused where that is not in the log, PublishError.
        """
        with self._lock:
            reader = self._reader = self._reader or FeedReader(self._bootstrap, f"{NAME}-place")
            bounds = reader.bounds(places)
            for place, offset in positions.items():
                if offset > bounds[place][1]:
                    raise errors.bad_id("lies beyond the end of the log")
                if offset < bounds[place][0]:
                    raise errors.gone("the place of this id", _earliest(reader, bounds))
            if since_ms is None:
                return {place: bounds[place][1] for place in places} | dict(positions)
            rest = {place: bounds[place] for place in places if place not in positions}
            found = reader.first_since(rest, since_ms)
            _require_kept(reader, rest, since_ms)
            first = {place: rest[place][1] if offset is None else offset for place, offset in found.items()}
            return first | dict(positions)


def _require_kept(reader: FeedReader, bounds: Mapping[Place, tuple[int, int]], since_ms: int) -> None:
    """Raises StreamRefused where records of after `since` may have left the log. One that lost none is complete."""
    begin = [reader.arrived_ms(place, low) for place, (low, high) in bounds.items() if 0 < low < high]
    if any(each is not None and each > since_ms for each in begin):
        raise errors.gone("since", _earliest(reader, bounds))


def _earliest(reader: FeedReader, bounds: Mapping[Place, tuple[int, int]]) -> str:
    begin = [reader.arrived_ms(place, low) for place, (low, high) in bounds.items() if 0 < low < high]
    times = [each for each in begin if each is not None]
    return jsonform.iso_ms(max(times) if times else time.time_ns() // 1_000_000)


def named_positions(after: str, ring: Ring, feeds: Sequence[str]) -> dict[Place, int]:
    """The positions in an id. A partition that a topic did not have yet is read from its begin.

    Raises StreamRefused for an id of other topics, or none at all.
    """
    try:
        positions = feed.read_positions(after, feeds)
    except BadPositions as error:
        raise errors.bad_id(str(error)) from None
    if unknown := positions.keys() - set(ring.places):
        raise errors.bad_id(f"names {len(unknown)} partitions that are not there")
    named = {topic for topic, _ in positions}
    return {place: 0 for place in ring.places if place[0] in named} | positions


class Past:
    """The past of one stream, read up to the ring. `at`: by place, how far it has come. `step` blocks."""

    def __init__(self, bootstrap: str, at: Mapping[Place, int], channel: Channel) -> None:
        self.at = dict(at)
        self._channel = channel
        self._ring = channel.ring
        self._waiting: deque[Any] = deque()
        self._reader = FeedReader(bootstrap, NAME)
        self._reader.start(at)

    def close(self) -> None:
        self._reader.close()

    @property
    def vector(self) -> Vector:
        return self._ring.vector(self.at)

    def step(self) -> bytes:
        """Read on for a moment; what of it is to be sent, about as much as one chunk. Raises PublishError."""
        if not self._waiting:
            self._waiting.extend(self._sifted(self._reader.read(MOST_AT_ONCE, WAIT_SECONDS)))
        parts: list[bytes] = []
        size, until = 0, time.monotonic() + LONGEST_STEP
        while self._waiting and size < MOST_CHUNK_BYTES and time.monotonic() < until:
            part = self._next(self._waiting.popleft())
            parts.append(part)
            size += len(part)
        if not self._waiting:
            self.at.update(self._reader.at)
        return b"".join(parts)

    def _next(self, message: Any) -> bytes:
        record = feed.read(message)
        self.at[BY_TOPIC[message.topic()], message.partition()] = message.offset() + 1
        if record is None or not self._channel.filter.wants(record):
            return b""
        return self._channel.format(self._channel.id(self.vector), record.data)

    def _sifted(self, messages: list[Any]) -> list[Any]:
        keep = feed.sift(self._channel.filter, messages)
        return [each for each, kept in zip(messages, keep, strict=True) if kept]
