"""The real parts, started once for all tests: Apache Kafka and the ClickHouse engine, on free ports of loopback.

Nothing here skips: where a part can't start, its tests fail and say why.
"""

from __future__ import annotations

import gc
import itertools
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from events import regions
from projections.clickhouse import Database
from projections.migrate import migrate

# Below the ports that the system gives to clients, and for each of several test processes a range of its own: a port
# that is free now must be free when a part starts there, and the next one too, where Kafka's controller listens.
_FIRST = 20_000 + 1_500 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw7").removeprefix("gw"))
_PORTS = itertools.cycle(random.Random(os.getpid()).sample(range(_FIRST, _FIRST + 1_500, 2), 750))

# Seconds that a module takes, where that is long: what takes longest begins first, so that no process is left alone
# with it at the end. Any other counts as middling.
SECONDS = {
    "test_up": 280,
    "test_rebuild": 180,
    "test_page": 180,
    "test_transport": 150,
    "test_chaos": 140,
    "test_integrity": 130,
    "test_examples": 115,
    "test_subscriber": 110,
    "test_coverage_memory": 100,
    "test_two_clocks": 95,
    "test_dead_letters": 90,
    "test_webhooks": 85,
    "test_stream": 85,
    "test_worker": 85,
    "test_fanout": 80,
    "test_scenario": 80,
    "test_liveness": 80,
    "test_access_kafka": 70,
    "test_recent": 65,
    "test_properties": 65,
    "test_projections": 60,
    "test_coverage_topic": 55,
}
MIDDLING = 30


def pytest_sessionstart() -> None:
    """The register of regions is 91,000 objects that stay: the garbage collector would walk them all day."""
    regions.by_number()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow modules first, each in its own order; `make test` keeps to that (`--no-loadscope-reorder`)."""
    items.sort(key=lambda item: -SECONDS.get(item.path.stem, MIDDLING))


def free_port() -> int:
    """A port of loopback that nobody listens on, nor on the next."""
    return next(port for port in _PORTS if _is_free(port) and _is_free(port + 1))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


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
        " AND total_rows > 0 AND name NOT IN ('region', 'migration', 'erasure_key')"
    )
    for table in tables:
        database.run(f"TRUNCATE TABLE {table['name']}")
    patches = database.rows(  # of rows that are gone: TRUNCATE leaves them
        "SELECT DISTINCT table, partition_id FROM system.parts"
        " WHERE active AND database = currentDatabase() AND startsWith(name, 'patch-') AND rows > 0"
    )
    for each in patches:
        database.run(f"ALTER TABLE {each['table']} DROP PARTITION ID '{each['partition_id']}'")
