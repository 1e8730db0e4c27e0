"""A log to measure with: activation events of the nation scenario, made once and kept in the cache folder.

Made by `SHARDS` processes, each a nation of its own, which the log holds side by side: both walk through the same days.
The files hold what goes into the topic, and the facts that the right answers are counted from.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import polars as pl
from confluent_kafka import Producer

from cakupan.embedded.jars import cache_folder
from cakupan.scenario import Planned, encoded, nation
from events.catalogue import ACTIVATION
from events.publisher import PRODUCER

ROOT = Path(__file__).parents[1]
SHARDS = 2
PART = 50_000  # events a file
EVENTS_A_PERSON = 6  # the scenario has a few more, so that the log is nearly the nation's whole

SCHEMA = {
    "key": pl.Binary,
    "value": pl.Binary,
    "type": pl.String,
    "event_id": pl.Binary,
    "subject_id": pl.Binary,
    "occurred_at": pl.Int64,
    "domicile": pl.Int64,
}
FACTS = ["type", "event_id", "subject_id", "occurred_at", "domicile"]
TRUTH_EVENTS = 5_000_000  # that the right answers are counted from at a time


@dataclass(frozen=True)
class Truth:
    """What must stand in the database after the log: records in it, distinct events, people with an active IKD."""

    records: int
    events: int
    active: int


@dataclass(frozen=True)
class Log:
    """`events` records, a multiple of SHARDS, in `folder`."""

    events: int
    folder: Path

    def produce(self, bootstrap: str, topic: str, start: int, stop: int) -> None:
        """The records from `start` up to `stop` into a topic, acknowledged, by a process a shard."""
        shares = [(bootstrap, topic, self.folder, shard, start // SHARDS, stop // SHARDS) for shard in range(SHARDS)]
        with _processes() as pool:
            list(pool.map(_produce, shares))

    def truth(self, stop: int) -> Truth:
        """Counted from what the scenario planned, for the first `stop` records; some of the people at a time."""
        turns = -(-stop // TRUTH_EVENTS)
        counts = [self._truth(stop, turn, turns) for turn in range(turns)]
        return Truth(*map(sum, zip(*counts, strict=True)))

    def _truth(self, stop: int, turn: int, turns: int) -> tuple[int, int, int]:
        mine = pl.col("subject_id").hash() % turns == turn
        parts = [_parts(self.folder, shard, 0, stop // SHARDS, FACTS) for shard in range(SHARDS)]
        log = pl.concat([part.filter(mine) for part in chain(*parts)])
        distinct = log.unique("event_id")
        return log.height, distinct.height, _active(distinct)


def nation_log(events: int) -> Log:
    """The log of so many events, from the cache or made now."""
    if events < SHARDS * 2:
        raise ValueError(f"events: must be {SHARDS * 2} or more")
    events -= events % SHARDS
    folder = cache_folder() / "benchmarks" / f"nation-{events}-{_digest()}"
    if not folder.exists():
        _make(events, folder)
    return Log(events, folder)


def _make(events: int, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.glob("nation-*"):
        if not old.name.endswith(_digest()):
            shutil.rmtree(old)
    making = Path(tempfile.mkdtemp(dir=folder.parent))
    with _processes() as pool:
        list(pool.map(_make_shard, [(events // SHARDS, shard, making) for shard in range(SHARDS)]))
    making.rename(folder)


def _digest() -> str:
    """Of all that decides what is in a log: a scenario that changed is made anew."""
    code = [*(ROOT / "cakupan" / "scenario").glob("*.py"), *(ROOT / "events").rglob("*.avsc")]
    shape = f"{SHARDS} {PART} {EVENTS_A_PERSON} {list(SCHEMA)}".encode()
    return hashlib.sha256(b"".join([shape, *(path.read_bytes() for path in sorted(code))])).hexdigest()[:12]


def _processes() -> ProcessPoolExecutor:
    # Spawned: polars' threads don't survive a fork.
    return ProcessPoolExecutor(SHARDS, mp_context=multiprocessing.get_context("spawn"))


def _make_shard(share: tuple[int, int, Path]) -> None:
    events, shard, folder = share
    people = max(events // EVENTS_A_PERSON, 1)
    rows = islice((_row(each) for each in nation(people, seed=shard + 1) if _wanted(each)), events)
    made = 0
    for number in count():
        part = pl.DataFrame(list(islice(rows, PART)), schema=SCHEMA, orient="row")
        if part.is_empty():
            break
        part.write_ipc(folder / f"{shard}-{number:05}.arrow", compression="lz4")
        made += part.height
    assert made == events, (made, events)


def _wanted(each: Planned) -> bool:
    return each.event.type.topic == ACTIVATION


def _row(each: Planned) -> tuple[Any, ...]:
    _, key, value = encoded(each)
    values = each.event.values
    facts = (values[name] for name in ("event_id", "subject_id", "occurred_at", "domicile"))
    return (key, value, each.event.type.name, *facts)


def _parts(folder: Path, shard: int, start: int, stop: int, columns: list[str]) -> Iterator[pl.DataFrame]:
    """A shard's rows from `start` up to `stop`, a file at a time."""
    for number in range(start // PART, -(-stop // PART)):
        first = number * PART
        part = pl.read_ipc(folder / f"{shard}-{number:05}.arrow", columns=columns)
        yield part[max(start - first, 0) : stop - first]


def _produce(share: tuple[str, str, Path, int, int, int]) -> None:
    bootstrap, topic, folder, shard, start, stop = share
    refused: list[str] = []
    producer = Producer(
        {**PRODUCER, "bootstrap.servers": bootstrap, "linger.ms": 50, "log_level": 0},
        on_delivery=lambda error, _: refused.append(str(error)) if error else None,
    )
    for part in _parts(folder, shard, start, stop, ["key", "value"]):
        for key, value in zip(part["key"].to_list(), part["value"].to_list(), strict=True):
            _hand_over(producer, topic, key, value)
    producer.flush()
    assert not refused, refused[0]


def _hand_over(producer: Producer, topic: str, key: bytes, value: bytes) -> None:
    while True:
        try:
            producer.produce(topic, value, key)
            return
        except BufferError:
            producer.poll(0.1)


def _active(distinct: pl.DataFrame) -> int:
    """People active at the end, with a domicile: the rule of docs/architecture.md, in other words than the SQL's."""
    kind, place, order = pl.col("type"), pl.col("domicile"), pl.col("order")
    settles = kind.is_in(["Activated", "SubjectArrived"])
    home, came = place.filter(settles).last(), order.filter(settles).last()
    people = (
        distinct.sort("occurred_at", "event_id")
        .with_row_index("order")
        .group_by("subject_id", maintain_order=True)
        .agg(
            active=kind.filter(kind.is_in(["Activated", "Deactivated"])).last() == "Activated",
            home=home,
            left=((kind == "SubjectDeparted") & (place == home) & (order > came)).any(),
        )
    )
    return people.filter(pl.col("active") & pl.col("home").is_not_null() & ~pl.col("left")).height
