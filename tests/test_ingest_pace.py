"""When the worker counts as behind: then many inserts share a recompute; else every event is recomputed at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from streams.batch import Batch
from streams.ingest import BACKLOG, HEARD_SECONDS, LONGEST_PAUSE, RECOMPUTE_SHARE, Backlog, Ingest, pause


@dataclass(frozen=True)
class At:
    offset: int
    timestamp: int = 1
    key: bytes | None = None
    value: bytes | None = b""
    headers: tuple[()] = ()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def batch(partition: int, first: int, last: int, end: int | None) -> Batch:
    return Batch("t", partition, first, last, [At(each) for each in range(first, last + 1)], 0, end)


def test_what_the_log_holds_behind_the_newest_batches_is_counted() -> None:
    backlog = Backlog(Clock())
    backlog.took([batch(0, 0, 9, 1000), batch(1, 0, 4, 5), batch(2, 0, 4, None)])
    assert backlog.records() == 990
    backlog.took([batch(0, 10, 99, 1100)])
    assert backlog.records() == 1000
    backlog.took([batch(0, 100, 1099, 1100)])
    assert backlog.records() == 0


def test_a_partition_that_went_to_another_worker_is_forgotten() -> None:
    clock = Clock()
    backlog = Backlog(clock)
    backlog.took([batch(0, 0, 9, 1_000_000)])
    clock.now += HEARD_SECONDS + 0.1
    assert backlog.records() == 0


def test_workers_share_the_time_for_recomputes() -> None:
    for workers in (1, 2, 4):
        took = 0.5
        of_one = took / (took + pause(took, 1 / workers))
        assert of_one * workers == pytest.approx(RECOMPUTE_SHARE)


def test_no_worker_waits_longer_than_the_longest_pause() -> None:
    assert pause(60.0, 1.0) == pause(5.0, 1 / 16) == LONGEST_PAUSE


def test_a_batch_lets_its_records_go_and_still_knows_what_it_was() -> None:
    one = batch(0, 5, 9, 10)
    memory = one.memory
    one.let_go()
    assert (one.values, one.count, one.memory, one.newest) == ([], 5, memory, 1)


class Event:
    """A batch in an agent's hands, as far as the worker's path goes."""

    def __init__(self, value: Batch) -> None:
        self.value = value
        self.acknowledged = asyncio.Event()

    def ack(self) -> None:
        self.acknowledged.set()


class Positions:
    def note(self, batches: Sequence[Batch]) -> None: ...


def test_a_backlog_begins_with_inserts_and_is_recomputed_when_it_is_over() -> None:
    async def scenario() -> None:
        nothing: Any = None
        positions: Any = Positions()
        ingest = Ingest(nothing, nothing, positions, nothing, recompute_interval=3600, part=lambda: 1.0, known=nothing)
        recomputing = asyncio.create_task(ingest.recompute_forever())
        live = Event(batch(0, 0, 9, 10))
        await inserted(ingest, live)
        await asyncio.wait_for(live.acknowledged.wait(), 30)
        first, last = Event(batch(0, 10, 19, 20 + BACKLOG + 1)), Event(batch(0, 20, 29, 30))
        await inserted(ingest, first)
        await asyncio.sleep(0.2)
        assert not first.acknowledged.is_set()
        await inserted(ingest, last)
        for each in (first, last):
            await asyncio.wait_for(each.acknowledged.wait(), 30)
        recomputing.cancel()

    asyncio.run(scenario())


async def inserted(ingest: Ingest, event: Event) -> None:
    """What `insert_forever` does once a batch of an event is in the tables."""
    async with ingest._changed:
        ingest._backlog.took([event.value])
        ingest._run.events.append(event)
        ingest._changed.notify_all()
