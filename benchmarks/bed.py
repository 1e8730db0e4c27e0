"""What is measured on: one Apache Kafka, one ClickHouse engine, a log in a topic, and the product's worker processes.

with bed(nation_log(1_000_000)) as here:
    here.load(1_000_000)
    run = take_in(here, here.new_settings())
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import psutil
import typer
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.log import ROOT, Log, Truth
from cakupan import wiring
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from cakupan.embedded.process import Child, spawn
from cakupan.settings import Settings
from events.catalogue import ACTIVATION, TOPICS, Topic
from projections.clickhouse import Database
from projections.migrate import migrate

START_SECONDS = 60
STANDSTILL_SECONDS = 120
LOOK_SECONDS = 0.1
REST_SECONDS = 300.0
RESTING_CPU = 0.1  # seconds in two seconds
STARTED = " streams.transport: reading "  # the worker's log, at the moment when it may fetch its first batch
MIB = 1 << 20


class WrongResult(Exception):
    """The database does not hold what the log says."""


@dataclass
class Bed:
    """The parts, and how much of the log is in its topic."""

    folder: Path
    kafka: KafkaNode
    clickhouse: ClickHouseNode
    log: Log
    loaded: int = 0

    def load(self, stop: int) -> None:
        """See to it that the topic holds the first `stop` records of the log."""
        self.log.produce(self.kafka.bootstrap, ACTIVATION, self.loaded, stop)
        self.loaded = stop

    def new_settings(self) -> Settings:
        """A database with tables and a group that nobody used before."""
        name = f"bench_{uuid.uuid4().hex[:8]}"
        Database("127.0.0.1", self.clickhouse.port).run(f"CREATE DATABASE {name}")
        settings = self.settings_of(name)
        migrate(wiring.database(settings))
        return settings

    def settings_of(self, database: str) -> Settings:
        """Of a worker that fills a database, with a consumer group of that name."""
        return Settings(
            kafka_bootstrap=self.kafka.bootstrap,
            clickhouse_port=self.clickhouse.port,
            clickhouse_database=database,
            worker_group=database,
            data_dir=self.folder,
        )

    def drop(self, settings: Settings) -> None:
        """Forget a database, so that its merges don't run beside what is measured next."""
        Database("127.0.0.1", self.clickhouse.port).run(f"DROP DATABASE {settings.clickhouse_database}")

    def parts(self) -> dict[str, int | None]:
        """Process ids of what all share."""
        return {"Kafka": self.kafka.pid, "ClickHouse": self.clickhouse.pid}


@contextlib.contextmanager
def bed(
    log: Log, partitions: int | None = None, brokers: Mapping[str, str] | None = None, stored: Path | None = None
) -> Iterator[Bed]:
    """Start the parts in a folder of their own, with the product's topics and their settings.

    `partitions`: of the activation topic, where it should not have its own number. `brokers`: settings of Kafka
    beside the product's. `stored`: a data folder of ClickHouse that is written to, where it should not be empty.
    """
    with tempfile.TemporaryDirectory(prefix="cakupan-bench-") as name:
        folder = Path(name)
        kafka = KafkaNode(
            folder / "kafka", port=free_port(), controller_port=free_port(), properties=dict(brokers or {})
        )
        clickhouse = ClickHouseNode(stored or folder / "clickhouse", port=free_port())
        try:
            kafka.start()
            clickhouse.start()
            kafka.wait_ready()
            clickhouse.wait_ready()
            for topic in TOPICS.values():
                own = partitions if topic.name == ACTIVATION else None
                _make_topic(kafka.bootstrap, topic, own or topic.partitions)
            yield Bed(folder, kafka, clickhouse, log)
        finally:
            kafka.stop()
            clickhouse.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _make_topic(bootstrap: str, topic: Topic, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(topic.name, partitions, 1, config=topic.config)])[topic.name].result(30)


def check(settings: Settings, truth: Truth, stored: tuple[int, int] = (0, 0)) -> None:
    """Raises WrongResult unless base and buckets hold what the log says, and `stored` as `held` had it before."""
    (events, active), wanted = held(settings), (truth.events + stored[0], truth.active + stored[1])
    if (events, active) != wanted:
        raise WrongResult(f"{events:,} events and {active:,} active people instead of {wanted[0]:,} and {wanted[1]:,}")


def held(settings: Settings) -> tuple[int, int]:
    """Distinct events in the base, and people active in the nation as the buckets have it."""
    database = wiring.database(settings)
    (base,) = database.rows("SELECT count() AS events FROM activation_event FINAL")
    (nation,) = database.rows("SELECT sum(active_change) AS active FROM coverage_day FINAL WHERE region = 0")
    return base["events"], nation["active"]


@dataclass
class Run:
    """What a piece of work took: seconds on the clock, CPU seconds by part, seconds by step, MiB at most."""

    events: int
    seconds: float
    cpu: dict[str, float] = field(default_factory=dict)
    steps: dict[str, float] = field(default_factory=dict)
    peak_mib: float = 0.0

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


def take_in(here: Bed, settings: Settings, workers: int = 1) -> Run:
    """Let the product's workers take in what the log holds and their database does not.

    From the moment when a worker may fetch, as its log says, until the position table covers the end of the log: then
    the answers hold it. Starting Python, importing and joining the group is left out.
    """
    ends, database = _ends(here.kafka.bootstrap), wiring.database(settings)
    events = sum(ends.values()) - sum(_positions(database).values())
    each = [_Worker(settings, number) for number in range(workers)]
    pids = here.parts() | {worker.name: worker.child.pid for worker in each}
    try:
        began = min(worker.began() for worker in each)
        before, watch = _cpu(pids), _Memory([worker.child.pid for worker in each])
        ended = _wait_covered(database, ends, each)
        peak, after = watch.stop(), _cpu(pids)
        steps = _total([worker.steps() for worker in each])
    finally:
        for worker in each:
            worker.child.stop(30)
    typer.echo(f"  {events:,} events in {ended - began:.1f} s", err=True)
    cpu = {name: after[name] - before[name] for name in pids}
    return Run(events, ended - began, cpu, steps, peak)


def turn(here: Bed) -> Run:
    """One worker takes in the whole log, into a database of its own, and what it made of it is right."""
    settings = here.new_settings()
    took = take_in(here, settings)
    check(settings, here.log.truth(here.log.events))
    here.drop(settings)
    return took


def cpu_seconds(pid: int | None) -> float:
    """What a process has used of the cores so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def at_rest(pid: int | None) -> float:
    """Wait until a process has nothing more to do, or long enough; returns the seconds."""
    began, before = time.perf_counter(), float("-inf")
    while (now := cpu_seconds(pid)) - before > RESTING_CPU and time.perf_counter() - began < REST_SECONDS:
        before = now
        time.sleep(2)
    return time.perf_counter() - began


class _Worker:
    """`cakupan worker`, as a process."""

    def __init__(self, settings: Settings, number: int) -> None:
        self.name = f"worker {number + 1}"
        self.port = free_port()
        own = settings.model_copy(update={"worker_metrics_port": self.port})
        env = {f"CAKUPAN_{name.upper()}": str(value) for name, value in own.model_dump().items()}
        log = settings.data_dir / f"{settings.clickhouse_database}-{number}-{self.port}.log"
        command = [sys.executable, "-m", "cakupan", "worker"]
        self.child: Child = spawn("worker", command, log, {**os.environ, **env, "PYTHONPATH": str(ROOT)})

    def began(self) -> float:
        """Wait until it may fetch; the time of that, in seconds since 1970."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.child.running:
            for line in self.child.log.read_text().splitlines():
                if STARTED in line:
                    return dt.datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()
            time.sleep(0.01)
        raise RuntimeError(f"{self.name} did not start to read; it said: {self.child.tail(5)}")

    def steps(self) -> dict[str, float]:
        """Seconds that its steps have taken, as it shows them itself."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        samples = [sample for family in families for sample in family.samples]
        return {each.labels["step"]: each.value for each in samples if each.name == "cakupan_step_seconds_sum"}


def _wait_covered(database: Database, ends: dict[int, int], workers: list[_Worker]) -> float:
    """When the last partition's position came to its end, as the worker noted it; in seconds since 1970."""
    seen, moved = -1, time.monotonic()
    while all(worker.child.running for worker in workers) and time.monotonic() - moved < STANDSTILL_SECONDS:
        positions = _positions(database)
        if all(positions.get(partition, -1) >= end for partition, end in ends.items()):
            return _covered_at(database, ends)
        if sum(positions.values()) != seen:
            seen, moved = sum(positions.values()), time.monotonic()
        time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"a worker ended or stands still; the first said: {workers[0].child.tail(5)}")


def _positions(database: Database) -> dict[int, int]:
    """By partition, the next offset that is not in the answers."""
    rows = database.rows(
        "SELECT partition, max(p.position) AS position FROM position AS p WHERE topic = %(topic)s GROUP BY partition",
        {"topic": ACTIVATION},
    )
    return {row["partition"]: row["position"] for row in rows}


def _covered_at(database: Database, ends: dict[int, int]) -> float:
    # The worker says again every second where it stands, and a later row takes an earlier one's place: we look often.
    rows = database.rows(
        "SELECT partition, position, checked_at FROM position WHERE topic = %(topic)s", {"topic": ACTIVATION}
    )
    first: dict[int, float] = {}
    for row in rows:
        partition, at = row["partition"], row["checked_at"].timestamp()
        if row["position"] >= ends[partition]:
            first[partition] = min(at, first.get(partition, at))
    return max(first.values())


def _ends(bootstrap: str) -> dict[int, int]:
    """The next offset of each partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-ends", "log_level": 0})
    try:
        partitions = consumer.list_topics(ACTIVATION, timeout=10).topics[ACTIVATION].partitions
        ends = {p: consumer.get_watermark_offsets(TopicPartition(ACTIVATION, p), timeout=10)[1] for p in partitions}
    finally:
        consumer.close()
    return ends


def _cpu(pids: Mapping[str, int | None]) -> dict[str, float]:
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


def _total(steps: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(each.get(name, 0) for each in steps) for name in steps[0]}


class _Memory:
    """Looks at the resident memory of processes, together, twenty times a second."""

    def __init__(self, pids: list[int]) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]
        self._end = threading.Event()
        self._peak = 0
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """The most there was, in MiB."""
        self._end.set()
        self._thread.join()
        return self._peak / MIB

    def _watch(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended: whoever waits for its results says so
            while not self._end.wait(0.05):
                self._peak = max(self._peak, sum(each.memory_info().rss for each in self._processes))
