"""Real `cakupan worker` and `cakupan fanout` processes, each with its log."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.error import URLError
from urllib.request import urlopen

from cakupan.embedded.process import Child, spawn
from cakupan.settings import Settings
from tests.chaos.schedule import THREE
from tests.conftest import free_port
from tests.support import environment

ROOT = Path(__file__).parents[2]
PRODUCT = ("cakupan",)


@dataclass
class Part:
    """A process, started again as often as wanted. `module`: what is run, the product's own or one that is broken."""

    name: str
    settings: Settings
    module: tuple[str, ...] = PRODUCT
    child: Child | None = None
    port: int = field(default_factory=free_port)
    ended: list[int] = field(default_factory=list)

    command: ClassVar[str]
    sign: ClassVar[str]  # how the metric begins that is 0 until it has read something

    @property
    def own(self) -> Settings:
        """The settings as this process gets them."""
        raise NotImplementedError

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.running

    @property
    def log(self) -> Path:
        return self.settings.data_dir / f"{self.command}-{self.name}.log"

    def start(self) -> None:
        """Start it if it does not run. What it ended with by itself is kept in `ended`."""
        if self.running:
            return
        if self.child is not None and self.child.exit_code is not None and self.child.exit_code >= 0:
            self.ended.append(self.child.exit_code)
        env = {**os.environ, **environment(self.own), "PYTHONPATH": str(ROOT)}
        self.child = spawn(self.command, [sys.executable, "-m", *self.module, self.command], self.log, env)

    def kill(self) -> bool:
        """SIGKILL. False: it had ended before."""
        if self.child is None or not self.child.running:
            return False
        self.child.kill()
        return True

    def stop(self) -> None:
        """SIGTERM, and a while to end."""
        if self.child is not None:
            self.child.stop(30)
            if self.child.exit_code is not None and self.child.exit_code > 0:
                self.ended.append(self.child.exit_code)
            self.child = None

    def wait_reading(self, timeout: float) -> bool:
        """Wait until it has taken its first batch; False if it has not, or has ended."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.running:
            if self._has_read():
                return True
            time.sleep(0.05)
        return False

    def _has_read(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=1) as answer:
                text = answer.read().decode()
        except (URLError, OSError):
            return False
        return any(line.startswith(self.sign) and not line.endswith(" 0.0") for line in text.splitlines())


class Worker(Part):
    """One worker, with a name of its own in the group."""

    command = "worker"
    sign = 'cakupan_step_seconds_count{step="decode"}'

    @property
    def own(self) -> Settings:
        instance = "" if self.name == THREE else f"chaos-{self.name}"
        return self.settings.model_copy(update={"worker_instance": instance, "worker_metrics_port": self.port})


class Fanout(Part):
    """The fan-out. There is one."""

    command = "fanout"
    sign = "cakupan_fanout_events_total{"

    @property
    def own(self) -> Settings:
        return self.settings.model_copy(update={"fanout_metrics_port": self.port})
