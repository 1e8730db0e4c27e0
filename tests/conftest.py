"""The real parts, started once for all tests: Apache Kafka and the ClickHouse engine, on free ports of loopback.

Nothing here skips: where a part can't start, its tests fail and say why.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from projections.clickhouse import Database
from projections.migrate import migrate


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    node = KafkaNode(tmp_path_factory.mktemp("kafka"), port=free_port(), controller_port=free_port())
    node.start()
    node.wait_ready()
    yield node
    node.stop()


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseNode]:
    node = ClickHouseNode(Path(tmp_path_factory.mktemp("clickhouse")), port=free_port())
    node.start()
    node.wait_ready()
    yield node
    node.stop()


@pytest.fixture(scope="session")
def database(clickhouse: ClickHouseNode) -> Database:
    """The migrated database that read-only tests share. A test that writes empties what it wrote: see `clean`."""
    shared = Database("127.0.0.1", clickhouse.port)
    migrate(shared)
    return shared


@pytest.fixture
def clean(database: Database) -> Database:
    """The database with every table empty but the regions, the ledger of migrations and the key of erasures."""
    empty(database)
    return database


def empty(database: Database) -> None:
    tables = database.rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%%MergeTree'"
        " AND name NOT IN ('region', 'migration', 'erasure_key')"
    )
    for table in tables:
        database.run(f"TRUNCATE TABLE {table['name']}")
