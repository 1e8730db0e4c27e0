"""When the worker counts as behind: then many inserts share a recompute; else every event is recomputed at once."""

from __future__ import annotations

from dataclasses import dataclass

from streams.batch import Batch
from streams.ingest import HEARD_SECONDS, Backlog


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


def test_a_batch_lets_its_records_go_and_still_knows_what_it_was() -> None:
    one = batch(0, 5, 9, 10)
    memory = one.memory
    one.let_go()
    assert (one.values, one.count, one.memory, one.newest) == ([], 5, memory, 1)
