"""A worker that is there and does nothing is not live; one that waits for a part that is away is."""

from __future__ import annotations

import contextlib
import math
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from cakupan import wiring
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from cakupan.settings import Settings
from events.errors import PublishError
from projections.migrate import migrate
from streams.health import Liveness
from streams.ledger import Ledger, Partition
from streams.liveness import complaints
from streams.retry import Waits
from tests.conftest import free_port
from tests.support import environment, running, until
from tests.test_worker import activated, caught_up, log, send, settings

__all__ = ["log", "settings"]

ONE = Partition("ikd.activation.v1", 1)
ALLOWED = 120.0


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Books:
    """A real ledger whose clock is ours, with one partition of ten records in it."""

    clock: Clock = field(default_factory=Clock)
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(clock=self.clock)
        self.ledger.start({ONE: (0, None)})

    def said(self, after: float, **more: float) -> list[str]:
        self.clock.now += after
        return [str(each) for each in complaints(self.ledger.progress(), ALLOWED, **more)]


def test_a_batch_that_is_never_done() -> None:
    books = Books()
    books.ledger.deliver(ONE, 0, 9, count=10, memory=1, high_watermark=10)
    assert books.said(119) == []
    assert books.said(2) == ["ikd.activation.v1/1: a batch is in hand and not done for 121 s"]


def test_work_that_is_done_and_never_committed() -> None:
    books = Books()
    delivery = books.ledger.deliver(ONE, 0, 9, count=10, memory=1, high_watermark=10)
    assert delivery is not None
    books.ledger.acknowledge(delivery)
    assert books.said(119) == []
    assert books.said(2) == ["ikd.activation.v1/1: what is done waits for its commit for 121 s"]
    books.ledger.committed({ONE: 10})
    assert books.said(1000) == []


def test_records_that_wait_and_none_is_read() -> None:
    books = Books()
    books.ledger.ended({ONE: 5})
    assert books.said(121) == ["ikd.activation.v1/1: records wait and none is read for 121 s"]
    books.ledger.deliver(ONE, 0, 4, count=5, memory=1, high_watermark=5)
    assert books.said(0) == []


def test_an_idle_worker_is_live_for_ever() -> None:
    books = Books()
    books.ledger.ended({ONE: 0})
    assert books.said(1e6) == []
    assert complaints([], ALLOWED) == []


def test_a_loop_that_does_not_turn() -> None:
    books = Books()
    assert books.said(0, silent_for=121) == ["worker: its loop has not turned for 121 s"]


def test_time_counts_from_the_end_of_the_last_wait_for_a_part_that_is_away() -> None:
    books = Books()
    books.ledger.deliver(ONE, 0, 9, count=10, memory=1, high_watermark=10)
    waits = Waits(books.clock)
    assert waits.ended_ago() == math.inf
    waits.note("inserting", "no ClickHouse answers")
    assert books.said(3600, waited_ago=waits.ended_ago()) == []
    assert waits.now() == ["inserting: no ClickHouse answers"]
    waits.end("inserting")
    books.clock.now += 119
    assert books.said(0, waited_ago=waits.ended_ago()) == []
    books.clock.now += 2
    assert books.said(0, waited_ago=waits.ended_ago()) == [
        "ikd.activation.v1/1: a batch is in hand and not done for 121 s"
    ]


def test_kafka_away_is_waited_for_too() -> None:
    books = Books()
    books.ledger.ended({ONE: 5})
    away = [PublishError("Kafka does not answer")]

    def kafka() -> None:
        for error in away:
            raise error

    liveness = Liveness(books.ledger.progress, Waits(books.clock), ALLOWED, kafka, books.clock)
    books.clock.now += 500
    assert liveness.judge() == ([], ["Kafka: Kafka does not answer"])
    away.clear()
    assert liveness.judge() == ([], [])  # it has only just come back
    liveness.turned()
    books.clock.now += 121
    liveness.turned()
    found, waiting = liveness.judge()
    assert [each.what for each in found] == ["records wait and none is read"]
    assert waiting == []


# Workers of the product with one thing broken on purpose.
BROKEN = {
    "never done": "import streams.ingest as m\nasync def finish(self, run): pass\nm.Ingest._finish = finish",
    "never committed": (
        "import streams.consumer as m\nasync def commit(self, *_, **__): return False\nm.BatchConsumer.commit = commit"
    ),
    "never read": (
        "import asyncio, streams.consumer as m\n"
        "async def getmany(self, timeout):\n    await asyncio.sleep(timeout)\n    return\n    yield\n"
        "m.BatchConsumer.getmany = getmany"
    ),
    "never turns": (
        "import time, streams.ingest as m\nasync def take(self, event): time.sleep(3600)\nm.Ingest.take = take"
    ),
}
SAYS = {
    "never done": "a batch is in hand and not done",
    "never committed": "what is done waits for its commit",
    "never read": "records wait and none is read",
    "never turns": "worker: its loop has not turned",
}


@contextlib.contextmanager
def broken(settings: Settings, how: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    script = f"import sys\nsys.argv = ['cakupan', 'worker']\n{BROKEN[how]}\nfrom cakupan.cli import main\nmain()\n"
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", script], env=environment(settings), stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def asked(settings: Settings, path: str = "/health/live") -> httpx.Response | None:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{settings.worker_metrics_port}{path}", timeout=10)
    return None


def answers_with(settings: Settings, status: int) -> bool:
    answer = asked(settings)
    return answer is not None and answer.status_code == status


def detail(settings: Settings) -> str:
    answer = asked(settings)
    return "" if answer is None else str(answer.json().get("detail", ""))


def impatient(settings: Settings) -> Settings:
    return settings.model_copy(update={"worker_metrics_port": free_port(), "stalled_seconds": 2.0})


@pytest.mark.parametrize("how", BROKEN)
def test_a_stalled_worker_turns_not_live(settings: Settings, tmp_path: Path, how: str) -> None:
    settings = impatient(settings)
    send(settings.kafka_bootstrap, activated(7001))
    with broken(settings, how, tmp_path / "worker.log") as process:
        until("it is not live", lambda: answers_with(settings, 503) and SAYS[how] in detail(settings), timeout=90)
        assert process.poll() is None


def test_a_worker_at_work_is_live_and_shows_its_metrics(settings: Settings, tmp_path: Path) -> None:
    settings = impatient(settings)
    settings = settings.model_copy(update={"stalled_seconds": 20.0})
    with running(settings, "worker", log=tmp_path / "worker.log") as worker:
        until("all taken in", caught_up(settings), process=worker)
        live, metrics, nothing = (asked(settings, path) for path in ("/health/live", "/metrics", "/nothing"))
        assert live is not None
        assert (live.status_code, live.json()) == (200, {"status": "live", "waiting": []})
        assert metrics is not None
        assert 'cakupan_position{partition="0",topic="ikd.activation.v1"}' in metrics.text
        assert nothing is not None
        assert nothing.status_code == 404
        assert worker.stop() == 0


def test_a_worker_that_waits_for_clickhouse_stays_live(
    log: KafkaNode, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    node = ClickHouseNode(tmp_path_factory.mktemp("own"), port=free_port())
    node.start()
    node.wait_ready()
    settings = impatient(
        Settings(kafka_bootstrap=log.bootstrap, clickhouse_port=node.port, worker_group=f"live-{uuid.uuid4().hex[:8]}")
    )
    migrate(wiring.database(settings))
    node.kill()
    send(log.bootstrap, activated(7002))
    with running(settings, "worker", log=tmp_path / "worker.log") as worker:
        until("it waits", lambda: _waits(settings), process=worker)
        deadline = time.monotonic() + 6  # three times what makes another not live
        while time.monotonic() < deadline:
            assert answers_with(settings, 200), worker.said[-1000:]
            time.sleep(0.3)
        assert worker.stop() == 0


def _waits(settings: Settings) -> bool:
    answer = asked(settings)
    return answer is not None and any("no ClickHouse answers" in each for each in answer.json().get("waiting", ()))


def test_a_port_that_is_taken_is_said(settings: Settings, tmp_path: Path) -> None:
    settings = impatient(settings)
    with (
        socket.create_server(("127.0.0.1", settings.worker_metrics_port)),
        running(settings, "worker", log=tmp_path / "worker.log") as worker,
    ):
        assert worker.process.wait(60) == 3
        assert "CAKUPAN_WORKER_METRICS_PORT" in worker.said
        assert "Traceback" not in worker.said
