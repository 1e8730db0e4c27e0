"""Running the product's own processes in tests, and waiting for what they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cakupan.settings import Settings


def environment(settings: Settings) -> dict[str, str]:
    """The settings as a process gets them."""
    given = {f"CAKUPAN_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    return {**os.environ, **given}


@dataclass
class Process:
    """A `cakupan` command running in the background, with what it said."""

    settings: Settings
    arguments: tuple[str, ...]
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cakupan", *self.arguments],
                env=environment(self.settings),
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
def running(settings: Settings, *arguments: str, log: Path) -> Iterator[Process]:
    """A command that is ended at the end."""
    process = Process(settings, arguments, log)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.kill()


def command(settings: Settings, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """A command run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "cakupan", *arguments],
        env={**environment(settings), "COLUMNS": "200", "NO_COLOR": "1"},
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
