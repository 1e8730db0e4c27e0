"""The parts that faults strike: Kafka, ClickHouse, and what their log holds for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import AdminClient

from cakupan import wiring
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode, new_cluster_id
from cakupan.settings import Settings
from events import provinces, topics
from projections.clickhouse import Database
from projections.migrate import migrate
from tests.chaos.load import Acknowledged
from tests.conftest import free_port
from tests.support import until

# Two where people live, and one that gets only what goes to everybody.
SUBSCRIBED = (61, 32, 11)
# Small heaps: three brokers must fit beside everything else.
SMALL_JVM = ("-Xmx256m", "-XX:TieredStopAtLevel=1")
IN_A_CLUSTER = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
}


@dataclass
class System:
    """Brokers and a ClickHouse in one folder. Many runs may share them, each with a database and group of its own."""

    folder: Path
    brokers: list[KafkaNode]
    clickhouse: ClickHouseNode
    acknowledged: Acknowledged = field(default_factory=Acknowledged)

    runs: int = 0

    @property
    def bootstrap(self) -> str:
        return ",".join(each.bootstrap for each in self.brokers)

    def start(self) -> None:
        """Start all and make the topics."""
        for node in self._parts():
            node.start()
        for node in self._parts():
            node.wait_ready(120)
        topics.apply(self.bootstrap, replication=len(self.brokers))

    def stop(self) -> None:
        for node in reversed(self._parts()):
            with contextlib.suppress(Exception):
                node.stop(20)

    def subscribe(self) -> None:
        """Topics of the provinces anew, empty: what one run has passed on is not what another has."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        declared = [topic for each in SUBSCRIBED for topic in provinces.topics_of(each)]
        if old := [each.name for each in declared if each.name in admin.list_topics(timeout=30).topics]:
            for done in admin.delete_topics(old).values():
                done.result(30)
            until("the topics are gone", lambda: not admin.list_topics(timeout=30).topics.keys() & set(old))
        topics.apply(self.bootstrap, replication=len(self.brokers), declared=declared)

    def _parts(self) -> list[KafkaNode | ClickHouseNode]:
        return [self.clickhouse, *self.brokers]

    def new_settings(self) -> Settings:
        """A database with tables, topics of provinces, groups and a folder that nobody used before."""
        self.runs += 1
        name = f"chaos_{uuid.uuid4().hex[:8]}"
        Database("127.0.0.1", self.clickhouse.port).run(f"CREATE DATABASE {name}")
        (self.folder / name).mkdir()
        settings = Settings(
            kafka_bootstrap=self.bootstrap,
            clickhouse_port=self.clickhouse.port,
            clickhouse_database=name,
            worker_group=name,
            fanout_group=f"{name}-fanout",
            api_port=free_port(),
            public_level="village",
            public_smallest=1,
            data_dir=self.folder / name,
            max_batch_records=200,
            recompute_interval_seconds=0.05,
        )
        migrate(wiring.database(settings))
        self.subscribe()
        return settings


def single(folder: Path) -> System:
    """One broker, as in the embedded stack."""
    kafka = KafkaNode(folder / "kafka", port=free_port(), controller_port=free_port())
    return System(folder, [kafka], ClickHouseNode(folder / "clickhouse", port=free_port()))


def cluster(folder: Path, size: int = 3) -> System:
    """Several brokers, every topic on each."""
    voters = {node: free_port() for node in range(1, size + 1)}
    identity = new_cluster_id()
    brokers = [
        KafkaNode(
            folder / f"kafka-{node}",
            port=free_port(),
            controller_port=port,
            node_id=node,
            voters=voters,
            cluster_id=identity,
            properties=IN_A_CLUSTER,
            jvm_options=SMALL_JVM,
        )
        for node, port in voters.items()
    ]
    return System(folder, brokers, ClickHouseNode(folder / "clickhouse", port=free_port()))


@contextlib.contextmanager
def started(system: System) -> Iterator[System]:
    try:
        system.start()
        yield system
    finally:
        system.stop()


@contextlib.contextmanager
def frozen(pid: int | None) -> Iterator[None]:
    """A process that stands still, and goes on as if nothing had been."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def slow(pid: int | None, seconds: float, share: float = 0.9) -> None:
    """A process that stands still for most of the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with frozen(pid):
            time.sleep(0.3 * share)
        time.sleep(0.3 * (1 - share))
