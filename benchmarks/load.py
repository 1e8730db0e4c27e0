"""An open-loop load, in a process of its own: `python -m benchmarks.load`, told on standard input.

Requests are sent at their scheduled times whatever came before, and an answer's time counts from the scheduled one:
what waits for a busy server, a free connection or this process is in it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import select
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cakupan.embedded.process import LOOPBACK

CONNECTIONS = 64  # opened before the first request
MOST_CONNECTIONS = 1000
DRAIN_SECONDS = 10.0  # after the last scheduled time; what is not answered then is an error
UNANSWERED = 0
OK = 200

Request = tuple[str, str]  # the route's name, the path


@dataclass(frozen=True)
class Answers:
    """What came of a load: times in milliseconds and HTTP status by request, in order of their schedule."""

    routes: list[str]
    milliseconds: np.ndarray[Any, np.dtype[np.float64]]
    status: np.ndarray[Any, np.dtype[np.int64]]
    cpu_seconds: float

    @property
    def errors(self) -> int:
        return int((self.status != OK).sum())

    def percentile(self, percent: float, route: str | None = None) -> float:
        """Of all requests or those of a route; one without an answer took until the end."""
        chosen = [i for i, each in enumerate(self.routes) if route in (None, each)]
        return float(np.percentile(self.milliseconds[chosen], percent)) if chosen else float("nan")


def load(port: int, requests: Sequence[Request], rate: float, seed: int = 1) -> Answers:
    """Send the requests, `rate` a second on average, as independent users do: with exponential gaps."""
    gaps = np.random.default_rng(seed).exponential(1 / rate, len(requests))
    order = {"port": port, "paths": [path for _, path in requests], "at": np.cumsum(gaps).tolist()}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=True,
        timeout=order["at"][-1] + DRAIN_SECONDS + 60,
    )
    said = json.loads(done.stdout)
    return Answers(
        [route for route, _ in requests], np.array(said["milliseconds"]), np.array(said["status"]), said["cpu"]
    )


@dataclass(eq=False)
class Sent:
    """A request under way."""

    number: int
    at: float
    path: str


class Connection(asyncio.Protocol):
    """A kept-alive connection with one request at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._sent: Sent | None = None
        self._received = bytearray()
        self._whole = 0  # bytes of the answer; 0: not known yet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._load.free(self)

    def send(self, sent: Sent) -> None:
        assert self._transport is not None
        self._sent, self._whole = sent, 0
        self._received.clear()
        self._transport.write(f"GET {sent.path} HTTP/1.1\r\nHost: {LOOPBACK}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._whole and (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end]).lower()
            self._whole = end + 4 + int(head.partition(b"content-length:")[2].split(maxsplit=1)[0])
        if self._whole and len(self._received) >= self._whole:
            sent, self._sent = self._sent, None
            assert sent is not None
            self._load.answered(sent, int(self._received[9:12]))
            self._load.free(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._load.lost(self, self._sent)


@dataclass
class Load:
    """The requests, the connections, and what is known of the answers."""

    port: int
    paths: list[str]
    at: list[float]
    begin: float = 0.0
    milliseconds: list[float] = field(init=False)
    status: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.milliseconds = [0.0] * len(self.paths)
        self.status = [UNANSWERED] * len(self.paths)
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._waiting: deque[Sent] = deque()
        self._open = 0
        self._next = 0
        self._left = len(self.paths)
        self._finished = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        for _ in range(CONNECTIONS):
            self._connect()
        await asyncio.sleep(1)
        self.begin = self._loop.time()
        self._send_due()
        try:
            async with asyncio.timeout(self.at[-1] + DRAIN_SECONDS):
                await self._finished.wait()
        except TimeoutError:
            end = (self._loop.time() - self.begin) * 1000
            for number, status in enumerate(self.status):
                if status == UNANSWERED:
                    self.milliseconds[number] = end - self.at[number] * 1000

    def answered(self, sent: Sent, status: int) -> None:
        self.milliseconds[sent.number] = (self._loop.time() - sent.at) * 1000
        self.status[sent.number] = status
        self._left -= 1
        if not self._left:
            self._finished.set()

    def free(self, connection: Connection) -> None:
        if self._waiting:
            connection.send(self._waiting.popleft())
        else:
            self._idle.append(connection)

    def lost(self, connection: Connection, sent: Sent | None) -> None:
        """A server may close a connection that was idle, just as it is used: the request is sent again."""
        self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        if sent is not None:
            self._send(sent)

    def _send_due(self) -> None:
        now = self._loop.time() - self.begin
        while self._next < len(self.at) and self.at[self._next] <= now:
            number, self._next = self._next, self._next + 1
            self._send(Sent(number, self.begin + self.at[number], self.paths[number]))
        if self._next < len(self.at):
            self._loop.call_at(self.begin + self.at[self._next], self._send_due)

    def _send(self, sent: Sent) -> None:
        if self._idle:
            self._idle.pop().send(sent)
            return
        self._waiting.append(sent)
        self._connect()

    def _connect(self) -> None:
        if self._open >= MOST_CONNECTIONS:
            return
        self._open += 1
        task = self._loop.create_task(self._loop.create_connection(lambda: Connection(self), LOOPBACK, self.port))
        self._tasks.add(task)
        task.add_done_callback(self._connected)

    def _connected(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._open -= 1


class Punctual(selectors.EpollSelector):
    """Wakes when asked to: epoll itself counts in whole milliseconds, which would be added to every time."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            select.select([self.fileno()], [], [], timeout)
        return super().select(0)


async def _run(order: dict[str, Any]) -> Load:
    whole = Load(order["port"], order["paths"], order["at"])
    await whole.run()
    return whole


def main() -> None:
    order = json.load(sys.stdin)
    gc.freeze()
    gc.disable()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(Punctual())) as runner:
        whole = runner.run(_run(order))
    json.dump({"milliseconds": whole.milliseconds, "status": whole.status, "cpu": time.process_time()}, sys.stdout)


if __name__ == "__main__":
    main()
