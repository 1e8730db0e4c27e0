"""The product's own processes, as a user runs them, for as long as a benchmark needs them."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from benchmarks.bed import free_port
from benchmarks.people import MEMORY, copied
from cakupan import wiring
from cakupan.embedded.errors import StackError
from cakupan.embedded.process import LOOPBACK, Child, require_free_port, spawn, wait_until
from cakupan.settings import Settings
from cakupan.stack import Stack


@contextlib.contextmanager
def running(name: str, command: Sequence[str], settings: Settings | None = None) -> Iterator[Child]:
    """A Python module as a child process, ended afterwards. What it said is in its log."""
    env = dict(os.environ)
    if settings is not None:
        env |= {f"CAKUPAN_{key.upper()}": str(value) for key, value in settings.model_dump().items()}
    with tempfile.TemporaryDirectory() as folder:
        child = spawn(name, [sys.executable, "-m", *command], Path(folder) / f"{name}.log", env)
        try:
            yield child
        finally:
            child.stop(10)


@contextlib.contextmanager
def api(settings: Settings) -> Iterator[Child]:
    """`cakupan serve`, from when it answers."""
    with running("serve", ["cakupan", "serve"], settings) as child:
        if not wait_until(lambda: alive(settings.api_address), child, 60):
            raise RuntimeError(child.tail())
        yield child


@contextlib.contextmanager
def stack(people: Path | None = None) -> Iterator[Stack]:
    """The whole system as `cakupan up` runs it, empty, or with the people of a data folder, which stays as it is."""
    with contextlib.ExitStack() as parts:
        if people is None:
            folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="cakupan-bench-")))
        else:
            folder = parts.enter_context(copied(people)).parent
        whole = Stack(settings_in(folder), lambda _: None)
        whole.clickhouse.memory = MEMORY
        parts.callback(whole.stop)
        whole.start()
        # Where another log had come to says nothing of this one.
        wiring.database(whole.settings).run("TRUNCATE TABLE position")
        yield whole


def settings_in(folder: Path) -> Settings:
    """Settings of a system of its own: its folder, and ports that are free."""
    return Settings(
        kafka_bootstrap=f"{LOOPBACK}:{_free_pair()}",
        kafka_subscriber_port=free_port(),
        clickhouse_port=free_port(),
        api_port=free_port(),
        public_level="village",  # what is asked for without a key
        public_smallest=1,
        worker_metrics_port=free_port(),
        data_dir=folder,
    )


def _free_pair() -> int:
    """A free port whose neighbour is free too: Kafka's controller listens there."""
    while True:
        port = free_port()
        with contextlib.suppress(StackError):
            require_free_port(LOOPBACK, port + 1, "Kafka")
            return port


def alive(address: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{address}/health/live", timeout=2).is_success
    return False
