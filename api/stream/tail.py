"""The one reader at the end of the log that all streams of a process share. In a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence

from api.stream.ring import Ring, Vector
from events import feed
from events.errors import PublishError
from events.feed import FEEDS, Place, Record
from events.feed_reader import FeedReader

log = logging.getLogger("cakupan.api")

NAME = "cakupan-stream"
MOST_AT_ONCE = 500
WAIT_SECONDS = 0.5

Batch = list[tuple[Record | None, Vector]]  # events, None for what is none; each with where the tail was behind it
Take = Callable[[Batch], None]


class Tail:
    """Reads every feed from a little before its end on, and hands what it reads to the server's event loop.

    A batch is handed over when the one before was taken: behind a busy loop nothing piles up. `fail` is called, on the
    loop, when it can't go on; why stands in the API's log, since it names addresses.
    """

    def __init__(self, bootstrap: str, loop: asyncio.AbstractEventLoop, take: Take, fail: Callable[[], None]) -> None:
        self._reader = FeedReader(bootstrap, NAME)
        self._loop = loop
        self._take = take
        self._fail = fail
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stream-tail", daemon=True)

    def open(self, back: int, most: int, most_bytes: int) -> tuple[Ring, Vector]:
        """Begin so many records before the end of each feed. Returns an empty ring, and the vector of the end.

        Raises PublishError. Blocks while Kafka is asked.
        """
        try:
            places = self._reader.places(FEEDS)
            bounds = self._reader.bounds(places)
        except PublishError:
            self._reader.close()
            raise
        start = {place: max(low, high - back) for place, (low, high) in bounds.items()}
        self._reader.start(start)
        ring = Ring(places, _vector(places, start), most, most_bytes)
        return ring, _vector(places, {place: high for place, (_, high) in bounds.items()})

    def run(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Soon; does not wait."""
        self._ended.set()
        if not self._thread.ident:
            self._reader.close()

    def _run(self) -> None:
        places = tuple(self._reader.at)
        try:
            while not self._ended.is_set():
                began = time.monotonic()
                batch = self._batch(places)
                self._hand_over(batch)
                if len(batch) >= MOST_AT_ONCE:  # far behind: half of a core is for those who ask
                    self._ended.wait(time.monotonic() - began)
        except PublishError as error:
            log.error("the tail of the streams ended: %s", error)
            self._call(self._fail)
        except Exception:  # whatever it is: streams that nobody feeds must end, or they would look like a quiet log
            log.exception("the tail of the streams ended")
            self._call(self._fail)
        finally:
            self._reader.close()

    def _batch(self, places: Sequence[Place]) -> Batch:
        at = dict(self._reader.at)
        batch: Batch = []
        for message in self._reader.read(MOST_AT_ONCE, WAIT_SECONDS):
            place = feed.BY_TOPIC[message.topic()], message.partition()
            at[place] = message.offset() + 1
            batch.append((feed.read(message), _vector(places, at)))
        if self._reader.at != at:  # ends behind records that are not there any more
            batch.append((None, _vector(places, self._reader.at)))
        return batch

    def _hand_over(self, batch: Batch) -> None:
        if not batch:
            return
        taken = threading.Event()

        def take() -> None:
            try:
                self._take(batch)
            finally:
                taken.set()

        if self._call(take):
            while not taken.wait(WAIT_SECONDS) and not self._ended.is_set():
                pass

    def _call(self, work: Callable[[], None]) -> bool:
        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError:  # the loop is closed: the server has gone
            self._ended.set()
            return False
        return True


def _vector(places: Sequence[Place], at: dict[Place, int]) -> Vector:
    return tuple(at[place] for place in places)
