"""Running the product's own processes in tests, and waiting for what they do; logs and databases of a test's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from cakupan.settings import Settings
from events import topics
from projections.clickhouse import Database
from projections.migrate import migrate
from tests.conftest import free_port

MIGRATED = "migrated"  # a database that tests copy and nobody writes to


@contextmanager
def own_log(folder: Path) -> Iterator[KafkaNode]:
    """A Kafka with all topics, empty: what others write on purpose, one id with two contents say, must not count."""
    node = KafkaNode(folder, port=free_port(), controller_port=free_port())
    node.start()
    node.wait_ready()
    topics.apply(node.bootstrap)
    yield node
    node.stop()


@contextmanager
def own_database(log: KafkaNode, clickhouse: ClickHouseNode, folder: Path, migrated: bool = True) -> Iterator[Settings]:
    """Settings with a new database and a consumer group of the same name.

    It goes afterwards, with those that a rebuild made beside it: the engine looks after tables that nobody asks, and
    those of forty tests take a fifth of a core.
    """
    name = f"t{uuid.uuid4().hex[:12]}"
    engine = Database("127.0.0.1", clickhouse.port)
    engine.run(f"CREATE DATABASE {name}")
    settings = Settings(
        kafka_bootstrap=log.bootstrap,
        clickhouse_port=clickhouse.port,
        clickhouse_database=name,
        worker_group=name,
        worker_metrics_port=0,
        fanout_group=f"{name}-fanout",
        fanout_metrics_port=0,
        fanout_look_seconds=0.5,
        data_dir=folder,
    )
    if migrated:
        copy_migrated(clickhouse.port, name)
    try:
        yield settings
    finally:
        if clickhouse.running:
            for row in engine.rows(
                "SELECT name FROM system.databases WHERE startsWith(name, %(name)s)", {"name": name}
            ):
                engine.run(f"DROP DATABASE {row['name']}")


def copy_migrated(port: int, name: str) -> None:
    """Tables and rows as migrations make them, in a new database. Migrating takes a second, a copy a third of it."""
    whole, own = Database("127.0.0.1", port, MIGRATED), Database("127.0.0.1", port, name)
    own.run(f"CREATE DATABASE IF NOT EXISTS {MIGRATED}")
    migrate(whole)
    tables = whole.rows(
        "SELECT name, create_table_query AS made, total_rows AS rows FROM system.tables"
        " WHERE database = currentDatabase() ORDER BY engine = 'MaterializedView'"
    )
    for each in tables:
        own.run(each["made"].replace(f"{MIGRATED}.", f"{name}.").replace("%", "%%"))
        if each["rows"]:
            own.run(f"INSERT INTO {each['name']} SELECT * FROM {MIGRATED}.{each['name']}")


def own_system(folder: Path) -> Settings:
    """Settings of a whole system: its folder, and ports that are free."""
    return Settings(
        kafka_bootstrap=f"127.0.0.1:{free_port()}",
        kafka_subscriber_port=0,
        clickhouse_port=free_port(),
        api_port=free_port(),
        worker_metrics_port=0,
        fanout_metrics_port=0,
        webhook_metrics_port=0,
        public_smallest=1,
        data_dir=folder / "data",
    )


def environment(settings: Settings) -> dict[str, str]:
    """The settings as a process gets them."""
    given = {f"CAKUPAN_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    return {**os.environ, **given}


@dataclass
class Process:
    """A `cakupan` command running in the background, with what it said. Packages in `folder` are its own."""

    settings: Settings
    arguments: tuple[str, ...]
    log: Path
    folder: Path | None = None
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cakupan", *self.arguments],
                env=environment(self.settings),
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def running(settings: Settings, *arguments: str, log: Path, folder: Path | None = None) -> Iterator[Process]:
    """A command that is ended at the end."""
    process = Process(settings, arguments, log, folder)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.kill()


def command(
    settings: Settings, *arguments: str, given: str | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A command run to its end. Packages in `folder` are its own."""
    return subprocess.run(
        [sys.executable, "-m", "cakupan", *arguments],
        env={**environment(settings), "COLUMNS": "200", "NO_COLOR": "1"},
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def until(what: str, done: Callable[[], bool], timeout: float = 60, process: Process | None = None) -> None:
    """Wait until it is so; fails with what the process said, if it ends or time runs out."""
    deadline = time.monotonic() + timeout
    while not done():
        ended = process is not None and process.process.poll() is not None
        if ended or time.monotonic() > deadline:
            said = f"; the process said:\n{process.said[-3000:]}" if process else ""
            raise AssertionError(f"{what}: not so after {timeout:g} s{said}")
        time.sleep(0.05)
