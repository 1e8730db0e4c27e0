"""The embedded stack: Kafka, ClickHouse, worker, API, auditor, fan-out, alerts: child processes of one command.

All on loopback.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cakupan import wiring
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.errors import StackError
from cakupan.embedded.jars import Progress
from cakupan.embedded.kafka import KafkaNode
from cakupan.embedded.process import Child, require_folder, require_free_port, spawn
from cakupan.embedded.tls import LOOPBACK_HOSTS
from cakupan.rebuild import bring_up_to_date
from cakupan.settings import Settings
from events import topics
from projections import webhooks
from projections.errors import DatabaseError

Say = Callable[[str], None]

STOP_WORKER = 3  # the worker's own decision, see streams.runner: starting it again would end the same way
RESTART_PAUSE = 1.0
WEBHOOKS_LOOK = 3.0  # seconds between two looks at whether there are webhooks
WEBHOOKS_PATIENCE = 2.0
STALLED = 503
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Stack:
    """The running parts. `start` raises StackError that says what is wrong and what to do."""

    settings: Settings
    say: Say
    kafka: KafkaNode = field(init=False)
    clickhouse: ClickHouseNode = field(init=False)
    worker: Child | None = None
    api: Child | None = None
    auditor: Child | None = None
    fanout: Child | None = None
    alerts: Child | None = None
    webhooks: Child | None = None

    def __post_init__(self) -> None:
        self._webhooks_due = 0.0
        # A ClickHouse that is away or stands still must not hold up the watch; the next look is soon.
        self._database = wiring.database(self.settings, WEBHOOKS_PATIENCE)
        host, _, port = self.settings.kafka_bootstrap.partition(":")
        if host not in LOOPBACK_HOSTS or not port.isdigit():
            raise StackError(
                "the embedded stack listens on loopback,"
                f" and CAKUPAN_KAFKA_BOOTSTRAP is {self.settings.kafka_bootstrap}",
                "set it to 127.0.0.1 and a port, or run worker and serve by themselves against your brokers.",
            )
        data = self.settings.data_dir
        self.kafka = KafkaNode(
            data / "kafka",
            port=int(port),
            controller_port=int(port) + 1,
            subscriber_port=self.settings.kafka_subscriber_port or None,
        )
        self.clickhouse = ClickHouseNode(data / "clickhouse", port=self.settings.clickhouse_port)

    def start(self, on_download: Progress | None = None) -> None:
        """Start all parts, in order, and bring topics and tables up to date."""
        require_folder(self.settings.data_dir, "Cakupan")
        self._require_free_ports()
        self.say("starting ClickHouse and Apache Kafka")
        self.clickhouse.start()
        self.kafka.start(on_download)
        self.clickhouse.wait_ready()
        self.say("bringing topics and tables up to date")
        bring_up_to_date(self.settings, self.say, self._wait_for_log)
        self.say("starting the worker and the API")
        self.start_api()  # it needs no Kafka, which takes longer than ClickHouse
        self._wait_for_log()
        self.start_worker()
        self.wait_api()
        self.start_auditor()
        self.start_fanout()
        self.start_alerts()

    def _wait_for_log(self) -> None:
        self.kafka.wait_ready()
        topics.apply(self.settings.kafka_bootstrap, replication=self.settings.kafka_replication)

    def _require_free_ports(self) -> None:
        """All at once and before anything starts, each with the setting that gives it another port."""
        settings = self.settings
        wanted = (
            (self.kafka.port, "Kafka (CAKUPAN_KAFKA_BOOTSTRAP)"),
            (self.kafka.controller_port, "Kafka's controller (CAKUPAN_KAFKA_BOOTSTRAP, one above its port)"),
            (settings.kafka_subscriber_port, "Kafka's subscribers (CAKUPAN_KAFKA_SUBSCRIBER_PORT)"),
            (settings.clickhouse_port, "ClickHouse (CAKUPAN_CLICKHOUSE_PORT)"),
            (settings.api_port, "the API (CAKUPAN_API_PORT)"),
            (settings.worker_metrics_port, "the worker's metrics (CAKUPAN_WORKER_METRICS_PORT)"),
        )
        for port, name in wanted:
            if port:
                require_free_port("127.0.0.1", port, name)

    def start_worker(self) -> None:
        self.worker = self._spawn("worker")

    def start_api(self) -> None:
        self.api = self._spawn("serve")

    def start_auditor(self) -> None:
        self.auditor = self._spawn("audit")

    def start_fanout(self) -> None:
        self.fanout = self._spawn("fanout")

    def start_alerts(self) -> None:
        self.alerts = self._spawn("alerts")

    def start_webhooks(self) -> None:
        self.webhooks = self._spawn("webhooks")

    def _start_wanted_webhooks(self) -> None:
        """Most systems have none, and do without a process for them."""
        if self.webhooks is not None or time.monotonic() < self._webhooks_due:
            return
        self._webhooks_due = time.monotonic() + WEBHOOKS_LOOK
        with contextlib.suppress(DatabaseError):
            if webhooks.any_active(self._database):
                self.start_webhooks()

    def wait_api(self, timeout: float = 60) -> None:
        """Wait until the API answers. Raises StackError with what it said."""
        assert self.api is not None  # noqa: S101 -- start_api came before
        deadline = time.monotonic() + timeout
        with httpx.Client(base_url=self.settings.api_address, timeout=2) as client:
            while time.monotonic() < deadline and self.api.running:
                with contextlib.suppress(httpx.HTTPError):
                    if client.get("/health/live").is_success:
                        return
                time.sleep(0.05)
        raise StackError(f"the API did not start: {self.api.tail(3)}", f"read {self.api.log}.")

    def watch(self) -> None:
        """Look after the parts once: start again what ended. Raises StackError for what can't go on."""
        for node, name in ((self.kafka, "Apache Kafka"), (self.clickhouse, "ClickHouse")):
            if not node.running:
                self.say(f"{name} ended; starting it again")
                node.start()
                node.wait_ready()
        self._restart_stalled_worker()
        self._start_wanted_webhooks()
        for child, start in (
            (self.worker, self.start_worker),
            (self.api, self.start_api),
            (self.auditor, self.start_auditor),
            (self.fanout, self.start_fanout),
            (self.alerts, self.start_alerts),
            (self.webhooks, self.start_webhooks),
        ):
            if child is None or child.running:
                continue
            if child is self.worker and child.exit_code == STOP_WORKER:
                raise StackError(f"the worker stopped itself: {child.tail(1)}", "mend the cause and run up again.")
            self.say(f"{child.name} ended with exit code {child.exit_code}; starting it again")
            time.sleep(RESTART_PAUSE)
            start()

    def _restart_stalled_worker(self) -> None:
        """A worker that says it stands still is ended; `watch` then starts it again."""
        if self.worker is None or not self.worker.running or not self.settings.worker_metrics_port:
            return
        with contextlib.suppress(httpx.HTTPError):  # a worker too busy to answer is given its time
            answer = httpx.get(f"http://127.0.0.1:{self.settings.worker_metrics_port}/health/live", timeout=5)
            if answer.status_code == STALLED:
                self.say(f"the worker stands still: {answer.json()['detail']}")
                self.worker.stop(5.0)

    def stop(self) -> None:
        """Stop everything, readers first. Never raises."""
        beside = ((self.webhooks, 10.0), (self.alerts, 5.0), (self.fanout, 5.0), (self.auditor, 5.0))
        readers = (*beside, (self.api, 5.0), (self.worker, 12.0))
        for part, grace in (*readers, (self.kafka, 20.0), (self.clickhouse, 15.0)):
            if part is not None:
                with contextlib.suppress(Exception):
                    part.stop(grace)

    def _spawn(self, command: str) -> Child:
        env = {**os.environ, **_as_environment(self.settings), "CAKUPAN_WORKER_INSTANCE": "embedded"}
        log = self.settings.data_dir.absolute() / f"{command}.log"
        return spawn(command, [sys.executable, "-m", "cakupan", command], log, env)


def _as_environment(settings: Settings) -> dict[str, str]:
    return {f"CAKUPAN_{name.upper()}": str(value) for name, value in settings.model_dump().items()}


class Interrupted(Exception):
    """The user, or the system, asked us to end."""


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGINT, SIGTERM and a closed terminal raise Interrupted once; the shutdown that follows is left in peace."""

    def on_signal(*_: Any) -> None:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        raise Interrupted

    before = {number: signal.signal(number, on_signal) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Marker:
    """Notes in the data folder which scenario is in the log, so that the second start loads nothing."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "scenario.json"

    def read(self) -> tuple[int, bool] | None:
        """Seed and whether all of it is loaded; None: nothing. Loading the same seed again changes nothing."""
        try:
            noted = json.loads(self._path.read_text())
            return int(noted["seed"]), bool(noted["complete"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, seed: int, complete: bool) -> None:
        self._path.write_text(json.dumps({"scenario": "sambas", "seed": seed, "complete": complete}))
