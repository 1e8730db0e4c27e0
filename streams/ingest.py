"""What happens to batches: decode, refuse what is bad, insert, recompute what was touched, acknowledge.

Acknowledged last: a crash anywhere before repeats the work, and repeating it changes nothing. Reading, inserting and
recomputing overlap. Sizes adapt: an idle worker takes in a single event at once; one that is behind finds many batches
waiting, inserts them together, and lets several inserts share one recompute.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from events import codec
from events.catalogue import DEAD_LETTER
from events.publisher import Publisher
from projections import activation, catalogue
from projections.clickhouse import Database
from streams import dead_letters
from streams.batch import Batch, Record
from streams.metrics import METRICS
from streams.positions import Positions
from streams.retry import until_done

log = logging.getLogger(__name__)


@dataclass
class Run:
    """Batches that will be recomputed together. `open_inserts` counts those still on their way in."""

    id: int = field(default_factory=catalogue.new_run)
    events: list[Any] = field(default_factory=list)
    touched: bool = False
    open_inserts: int = 0


class Ingest:
    """The path of batches into the database. One a worker."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        positions: Positions,
        limit: dead_letters.Limit,
        recompute_interval: float,
        max_records: int,
    ) -> None:
        self.database = database
        self.publisher = publisher
        self.positions = positions
        self.limit = limit
        self.recompute_interval = recompute_interval
        self.max_records = max_records
        self._waiting: dict[str, list[Any]] = defaultdict(list)
        self._run = Run()
        self._changed = asyncio.Condition()
        self._behind = False
        self._letters = asyncio.Lock()

    async def take(self, event: Any) -> None:
        """Put a batch in line. It is acknowledged when it is in the answers."""
        async with self._changed:
            self._waiting[event.value.topic].append(event)
            self._changed.notify_all()

    async def insert_forever(self, topic: str) -> None:
        """Decode and insert what waits, as much as there is at once. Raises StopWorker; all else is waited for."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._waiting[topic])
                events = _first(self._waiting[topic], self.max_records)
                run = self._run
                run.open_inserts += 1
            batches = [event.value for event in events]
            decoded = await asyncio.to_thread(_decode, topic, batches)
            if decoded.refused:
                await self._refuse(topic, batches, decoded)
            await until_done(f"inserting {topic}", lambda d=decoded, r=run: self._insert(topic, d, r.id))  # type: ignore[misc]
            METRICS.events.labels(topic).inc(decoded.count)
            async with self._changed:
                run.open_inserts -= 1
                run.events += events
                run.touched |= topic in catalogue.RECOMPUTED and decoded.count > 0
                self._behind = bool(self._waiting[topic]) or _more_to_come(batches[-1])
                self._changed.notify_all()

    async def recompute_forever(self) -> None:
        """Recompute and acknowledge, run after run. Raises StopWorker."""
        last = 0.0
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._run.events)
                due = last + self.recompute_interval
                while self._behind and time.monotonic() < due:
                    await _wait(self._changed, due - time.monotonic())
                run, self._run = self._run, Run()
                await self._changed.wait_for(lambda run=run: run.open_inserts == 0)  # type: ignore[misc]
            last = time.monotonic()
            await self._finish(run)

    async def _finish(self, run: Run) -> None:
        if run.touched:
            await until_done("recomputing", lambda: self._recompute(run.id))
        await until_done("noting the position", lambda: self.positions.note([e.value for e in run.events]))
        for event in run.events:
            event.ack()

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

    def _insert(self, topic: str, decoded: codec.Decoded, run: int) -> None:
        with METRICS.step.labels("insert").time():
            catalogue.insert(self.database, topic, decoded.frames, run)

    def _recompute(self, run: int) -> None:
        with METRICS.step.labels("recompute").time():
            activation.recompute(self.database, run)


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


def _more_to_come(batch: Batch) -> bool:
    return batch.high_watermark is not None and batch.high_watermark > batch.last_offset + 1


async def _wait(condition: asyncio.Condition, seconds: float) -> None:
    try:
        await asyncio.wait_for(condition.wait(), max(seconds, 0))
    except TimeoutError:
        return
