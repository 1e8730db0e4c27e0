"""Many who listen to live rates, in a process of their own: `python -m benchmarks.listeners`.

Told on standard input: the port, the path, how many and for how long. Writes for each stream when (monotonic clock) it
received which number of events of the day.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cakupan.embedded.process import LOOPBACK

AT_ONCE = 50  # streams opened at the same time
OPENING_SECONDS = 60
END_OF_EVENT = b"\n\n\r\n"  # the event's own end, and that of its chunk
DAY = re.compile(rb'"window":"day".*?"events":(\d+)', re.DOTALL)


@dataclass(frozen=True)
class Heard:
    """What listeners got: for each stream that was let in, times and numbers. `refused`: streams that were not."""

    streams: list[list[tuple[float, int]]]
    refused: int


class ListeningProcess:
    """Listeners as a child process: a module that takes its order in JSON. `ready`: all streams are open or refused."""

    def __init__(self, module: str, order: dict[str, Any], seconds: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._seconds = seconds
        assert self._process.stdin is not None
        json.dump({**order, "seconds": seconds}, self._process.stdin)
        self._process.stdin.close()
        self._process.stdin = None

    def ready(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def said(self) -> Any:
        """What it wrote at its end."""
        text, _ = self._process.communicate(timeout=self._seconds + 120)
        return json.loads(text)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class Listening(ListeningProcess):
    """Listeners to live rates."""

    def __init__(self, port: int, path: str, count: int, seconds: float) -> None:
        super().__init__("benchmarks.listeners", {"port": port, "path": path, "count": count}, seconds)

    def heard(self) -> Heard:
        return Heard(**self.said())


async def open_all(streams: Sequence[Opening], port: int, seconds: float) -> None:
    """Open the streams, some at a time; back when each is open or refused."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds):
        for first in range(0, len(streams), AT_ONCE):
            some = streams[first : first + AT_ONCE]
            await asyncio.gather(*(loop.create_connection(lambda s=each: s, LOOPBACK, port) for each in some))  # type: ignore[misc]
            await asyncio.gather(*(each.opened.wait() for each in some))
    print("ready", flush=True)


class Opening(asyncio.Protocol):
    """A stream that says when it is open or refused."""

    opened: asyncio.Event


@dataclass(eq=False)
class Stream(Opening):
    """One stream."""

    path: str
    numbers: dict[bytes, int]  # of events seen before: all streams get the same
    got: list[tuple[float, int]] = field(default_factory=list)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    refused: bool = False
    _received: bytearray = field(default_factory=bytearray)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(f"GET {self.path} HTTP/1.1\r\nHost: {LOOPBACK}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.opened.is_set():
            self.refused = not self._received.startswith(b"HTTP/1.1 200")
            self.opened.set()
        if self._received.endswith(END_OF_EVENT):
            self._take(time.monotonic(), bytes(self._received))
            self._received.clear()

    def connection_lost(self, _: Exception | None) -> None:
        self.refused |= not self.opened.is_set()
        self.opened.set()

    def _take(self, now: float, message: bytes) -> None:
        if message not in self.numbers:
            found = DAY.findall(message)
            self.numbers[message] = int(found[-1]) if found else -1
        if self.numbers[message] >= 0:
            self.got.append((now, self.numbers[message]))


async def _listen(order: dict[str, Any]) -> Heard:
    numbers: dict[bytes, int] = {}
    streams = [Stream(order["path"], numbers) for _ in range(order["count"])]
    await open_all(streams, order["port"], OPENING_SECONDS)
    await asyncio.sleep(order["seconds"])
    return Heard([each.got for each in streams if not each.refused], sum(each.refused for each in streams))


def main() -> None:
    order = json.load(sys.stdin)
    gc.disable()
    heard = asyncio.run(_listen(order))
    json.dump({"streams": heard.streams, "refused": heard.refused}, sys.stdout)


if __name__ == "__main__":
    main()
