"""Much of the log into the tables, by several processes: decoding is more than one Python can do beside ClickHouse.

Each takes the next partition that is left, to its end. They have in common a counter and a queue of what came in.
Nothing is noted of what is touched: `whole.count` follows.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cakupan.loading import take_in
from events.errors import ContractError, PublishError
from projections.catalogue import UNCOUNTED
from projections.clickhouse import Database
from projections.errors import DatabaseError
from streams.batch import collect_seldom
from streams.log_reader import LogReader, Place, Stretch, records_in

BATCH_RECORDS = 200_000  # rows of an insert: the larger a part, the less often its rows are merged
ALONE = 1_000_000  # records for which further processes cost more than they spare
FETCH_SECONDS = 0.5
LOOK_SECONDS = 1.0


class LoaderDied(DatabaseError):
    """A process of ours ended, and did not say why."""


@dataclass(frozen=True)
class Loaded:
    """A batch that is in the tables: the next offset of its partition, and how many of its records were refused."""

    place: Place
    position: int
    records: int
    refused: int


Batches = Generator[Loaded, None, None]


def log_reader(bootstrap: str) -> LogReader:
    """For long stretches: a fetch may take its time to fill up."""
    return LogReader(bootstrap, "cakupan-rebuild", FETCH_SECONDS)


def load(bootstrap: str, database: Database, stretches: Iterable[Stretch]) -> Batches:
    """Take these stretches in; yields each batch of a partition in its order.

    Who stops asking stops it. Raises PublishError, DatabaseError, ContractError.
    """
    todo = sorted(stretches, key=lambda each: each[1] - each[2])  # the longest first
    if records_in(todo) < ALONE:
        return _one_after_the_other(bootstrap, database, todo)
    return _side_by_side(bootstrap, database, todo)


def _one_after_the_other(bootstrap: str, database: Database, todo: Iterable[Stretch]) -> Batches:
    with log_reader(bootstrap) as reader:
        for place, messages in reader.through(todo, BATCH_RECORDS):
            yield Loaded(place, messages[-1].offset() + 1, *take_in(database, place[0], messages, UNCOUNTED))


def _side_by_side(bootstrap: str, database: Database, todo: Sequence[Stretch]) -> Batches:
    context = multiprocessing.get_context("spawn")
    taken, came = context.Value("i", 0), context.Queue()
    started = []
    try:
        for _ in range(min(os.cpu_count() or 1, len(todo))):
            process = context.Process(target=_work, args=(bootstrap, database, todo, taken, came), daemon=True)
            process.start()
            started.append(process)
        yield from _results(started, came)
    finally:
        for process in started:
            process.terminate()
            process.join()


def _work(bootstrap: str, database: Database, todo: Sequence[Stretch], taken: Any, came: Any) -> None:
    """In a process of its own. The last that it says is None, or what went wrong."""
    collect_seldom()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all, and is for the one that started us
    parent = multiprocessing.parent_process()
    try:
        for each in _one_after_the_other(bootstrap, database, _next_ones(todo, taken)):
            came.put(each)
            if parent is None or not parent.is_alive():
                return
    except (ContractError, PublishError, DatabaseError) as error:
        came.put(error)
    else:
        came.put(None)


def _next_ones(todo: Sequence[Stretch], taken: Any) -> Iterator[Stretch]:
    while True:
        with taken.get_lock():
            place, taken.value = taken.value, taken.value + 1
        if place >= len(todo):
            return
        yield todo[place]


def _results(processes: Sequence[Any], came: Any) -> Iterator[Loaded]:
    at_work = len(processes)
    while at_work:
        try:
            each = came.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            _require_none_died(processes)
            continue
        if isinstance(each, Exception):
            raise each
        if each is None:
            at_work -= 1
        else:
            yield each


def _require_none_died(processes: Sequence[Any]) -> None:
    for process in processes:
        if process.exitcode:
            raise LoaderDied(f"a process that takes the log in ended with code {process.exitcode}; run it again")
