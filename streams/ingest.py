"""What happens to batches: decode, refuse what is bad, insert, recompute what was touched, acknowledge.

Acknowledged last: a crash anywhere before repeats the work, and repeating it changes nothing. Reading, decoding,
inserting and recomputing overlap. Sizes adapt: an idle worker takes in a single event at once; one that is behind
inserts many batches together, and lets many inserts share one recompute, so that recomputing takes no more than a share
of the time however much there is to count. Records are let go once they are inserted: what waits for its recompute
takes no memory.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from events import codec
from events.catalogue import DEAD_LETTER
from events.publisher import Publisher
from projections import activation, catalogue
from projections.clickhouse import Database
from projections.known import Known, Look, since
from streams import dead_letters
from streams.batch import Batch, Record
from streams.metrics import METRICS
from streams.positions import Positions
from streams.retry import until_done
from streams.transport import release

log = logging.getLogger(__name__)

LANES = 2  # one batch is decoded while another is inserted
INSERT_RECORDS = 50_000  # rows of an insert at most: small parts cost the database more to merge
BACKLOG = 50_000  # records waiting, from which on the worker is behind: below it every moment counts, above it the mass
RECOMPUTE_SHARE = 0.15  # of the time, while behind: of all workers together, as each has its part of the log
HEARD_SECONDS = 3.0
LONGEST_PAUSE = 60.0  # seconds between recomputes, whatever they take: what a crash repeats
FORGET_RUNS = 10  # finished ones, at most, whose notes are dropped together while more waits


@dataclass
class Run:
    """Batches that will be recomputed together.

    `open_inserts`: the topic of each insert still on its way in. `looks`: what was known of the people
    of those that are in.
    """

    id: int = field(default_factory=catalogue.new_run)
    events: list[Any] = field(default_factory=list)
    touched: bool = False
    open_inserts: list[str] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)


class Backlog:
    """How many records the log holds behind what was taken, as far as its partitions were heard of lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: dict[tuple[str, int], tuple[int, float]] = {}

    def took(self, batches: Sequence[Batch]) -> None:
        """Batches were taken, those of a partition in order."""
        for each in batches:
            left = max((each.high_watermark or 0) - each.last_offset - 1, 0)
            self._left[each.topic, each.partition] = left, self._clock()

    def records(self) -> int:
        """All partitions together. One that nothing came of for a while may be another worker's by now."""
        since = self._clock() - HEARD_SECONDS
        return sum(left for left, at in self._left.values() if at > since)


class Ingest:
    """The path of batches into the database. One a worker."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        positions: Positions,
        limit: dead_letters.Limit,
        recompute_interval: float,
        part: Callable[[], float],
        known: Known,
    ) -> None:
        self.database = database
        self.known = known
        self.publisher = publisher
        self.positions = positions
        self.limit = limit
        self.recompute_interval = recompute_interval
        self._part = part
        self._waiting: dict[str, list[Any]] = defaultdict(list)
        self._run = Run()
        self._recomputing = False
        self._finished: list[int] = []
        self._changed = asyncio.Condition()
        self._backlog = Backlog()
        self._letters = asyncio.Lock()

    async def take(self, event: Any) -> None:
        """Put a batch in line. It is acknowledged when it is in the answers."""
        async with self._changed:
            self._waiting[event.value.topic].append(event)
            self._changed.notify_all()

    async def insert_forever(self, topic: str) -> None:
        """Decode and insert what waits, as much as there is at once. Raises StopWorker; all else is waited for.

        What is inserted during a recompute waits for the next one, and a recompute waits for all inserts of its run. So
        unless the mass counts, one insert a recompute is as early, and takes the database less than many.
        """
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._waiting[topic] and self._may_insert(topic))
                events = _first(self._waiting[topic], INSERT_RECORDS)
                self._backlog.took([event.value for event in events])
                run = self._run
                run.open_inserts.append(topic)
            batches = [event.value for event in events]
            decoded = await asyncio.to_thread(_decode, topic, batches)
            if decoded.refused:
                await self._refuse(topic, batches, decoded)
            look = await until_done(f"inserting {topic}", lambda d=decoded, r=run: self._insert(topic, d, r.id))  # type: ignore[misc]
            METRICS.events.labels(topic).inc(decoded.count)
            for event in events:
                release(event)
            async with self._changed:
                run.open_inserts.remove(topic)
                run.events += events
                run.looks.append(look)
                run.touched |= topic in catalogue.RECOMPUTED and decoded.count > 0
                self._changed.notify_all()

    async def recompute_forever(self) -> None:
        """Recompute and acknowledge, run after run. Raises StopWorker."""
        rested = 0.0
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._run.events)
                # A backlog begins with inserts: a recompute of the first few of them takes as much as of many.
                due = max(rested, time.monotonic() + self.recompute_interval)
                while self.behind() and time.monotonic() < due:
                    await _wait(self._changed, min(due - time.monotonic(), 1.0))
                run, self._run = self._run, Run()
                self._recomputing = True
                await self._changed.wait_for(lambda run=run: not run.open_inserts)  # type: ignore[misc]
            began = time.monotonic()
            await self._finish(run)
            took = time.monotonic() - began
            async with self._changed:
                self._recomputing = False
                self._changed.notify_all()
            await self._forget(run)
            rested = began + took + pause(took, self._part())

    def _may_insert(self, topic: str) -> bool:
        """Whether no recompute is due or under way and none of the topic's inserts, or only the mass counts."""
        waits = self._recomputing or self._run.events or topic in self._run.open_inserts
        return not waits or self.behind()

    def behind(self) -> bool:
        """Whether so much waits that only the mass counts."""
        waiting: int = sum(event.value.count for events in self._waiting.values() for event in events)
        return waiting + self._backlog.records() > BACKLOG

    def at_rest(self) -> bool:
        """Whether all that came is in the answers."""
        return not (self._recomputing or self._run.events or self._run.open_inserts or any(self._waiting.values()))

    async def _finish(self, run: Run) -> None:
        if run.touched:
            await until_done("recomputing", lambda: self._recompute(run))
        await until_done("noting the position", lambda: self.positions.note([e.value for e in run.events]))
        for event in run.events:
            event.ack()

    async def _forget(self, run: Run) -> None:
        """After the answers hold it; at once where nothing waits. What a crash leaves, the next worker drops."""
        if run.touched:
            self._finished.append(run.id)
        idle = not any(self._waiting.values())
        if self._finished and (idle or len(self._finished) >= FORGET_RUNS):
            runs, self._finished = self._finished, []
            await until_done("tidying up", lambda: activation.forget(self.database, *runs))

    async def _refuse(self, topic: str, batches: Sequence[Batch], decoded: codec.Decoded) -> None:
        last = decoded.refused[-1].reason
        total = sum(batch.count for batch in batches)
        if topic == DEAD_LETTER:  # a letter about a letter would be the next to be refused
            METRICS.refused.labels(topic).inc(len(decoded.refused))
            log.warning("%s: %d of %d records left out; the last: %s", topic, len(decoded.refused), total, last)
            return
        self.limit.check(topic, total, len(decoded.refused), last)
        letters = list(dead_letters.letters(batches, decoded.refused))
        async with self._letters:  # one flush at a time: it waits for all that the producer holds
            await until_done("sending dead letters", lambda: dead_letters.send(self.publisher, letters))
        METRICS.refused.labels(topic).inc(len(letters))
        log.warning("%s: %d of %d records refused; the last: %s", topic, len(letters), total, last)

    def _insert(self, topic: str, decoded: codec.Decoded, run: int) -> Look:
        with METRICS.step.labels("insert").time():
            frames, look = self.known.look(decoded.frames)
            catalogue.insert(self.database, topic, frames, run)
        return look

    def _recompute(self, run: Run) -> None:
        with METRICS.step.labels("recompute").time():
            activation.count(self.database, run.id, since(run.looks))


def pause(took: float, part: float) -> float:
    """Seconds from a recompute that took so long to the next, while behind. `part`: the worker's of the log.

    Whoever recomputes reads most of the base, however few people it is about. So workers share the time for it: if each
    took all of it, two would spend twice as much, for half of the people each time.
    """
    return min(took * (1 / (RECOMPUTE_SHARE * part) - 1), LONGEST_PAUSE)


def _decode(topic: str, batches: Sequence[Batch]) -> codec.Decoded:
    records: list[Record] = [record for batch in batches for record in batch.records]
    with METRICS.step.labels("decode").time():
        return codec.decode_batch(topic, [each.value for each in records], [each.timestamp for each in records])


def _first(waiting: list[Any], max_records: int) -> list[Any]:
    """Take batches off the front of the line: one at least, and no more than `max_records` records."""
    taken, records = 0, 0
    for event in waiting:
        records += event.value.count
        if taken and records > max_records:
            break
        taken += 1
    events = waiting[:taken]
    del waiting[:taken]
    return events


async def _wait(condition: asyncio.Condition, seconds: float) -> None:
    try:
        await asyncio.wait_for(condition.wait(), max(seconds, 0))
    except TimeoutError:
        return
