"""Many who read streams of events, in a process of their own: `python -m benchmarks.stream_listeners`.

Told on standard input: the port, the key, the path of each stream, and how long to read. Writes how often an event came
how many milliseconds after it was made, which its id tells.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.listeners import ListeningProcess, Opening, open_all
from cakupan.embedded.process import LOOPBACK

OPENING_SECONDS = 90
END_OF_CHUNK = b"\n\n\r\n"  # a message's own end, and that of its chunk
MADE = re.compile(rb'"specversion":"1.0","id":"([0-9a-f]{8})-([0-9a-f]{4})-7')
MOST_KNOWN = 5000
WARM_MS = 2000  # in which the offices connect: what they make meanwhile waits for their broker, not for the stream


@dataclass(frozen=True)
class Heard:
    """What all streams got: counts by milliseconds, of what was made when the offices had connected.

    `received`: all events. `refused`: streams that were not let in; `ended`: that were cut.
    """

    delays: dict[int, int]
    received: int
    streams: int
    refused: int
    ended: int


class Listening(ListeningProcess):
    """Readers of streams."""

    def __init__(self, port: int, key: str, paths: Sequence[str], seconds: float) -> None:
        super().__init__("benchmarks.stream_listeners", {"port": port, "key": key, "paths": list(paths)}, seconds)

    def heard(self) -> Heard:
        told = self.said()
        return Heard({int(ms): count for ms, count in told.pop("delays").items()}, **told)


@dataclass
class Tally:
    """What all streams got. `known`: times in chunks seen before, since many streams get the same."""

    delays: Counter[int] = field(default_factory=Counter)
    received: int = 0
    begun: int | None = None
    known: dict[bytes, list[int]] = field(default_factory=dict)

    def take(self, chunk: bytes) -> None:
        made = self.known.get(chunk)
        if made is None:
            made = [int(high + low, 16) for high, low in MADE.findall(chunk)]
            if len(self.known) > MOST_KNOWN:
                self.known.clear()
            self.known[chunk] = made
        if self.begun is None and made:
            self.begun = made[0]
        self.received += len(made)
        now = time.time_ns() // 1_000_000
        for each in made:
            if self.begun is not None and each >= self.begun + WARM_MS:
                self.delays[now - each] += 1


@dataclass(eq=False)
class Stream(Opening):
    """One stream."""

    path: str
    key: str
    tally: Tally
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    refused: bool = False
    ended: bool = False
    _received: bytearray = field(default_factory=bytearray)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        asked = f"GET {self.path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nX-API-Key: {self.key}\r\n\r\n"
        transport.write(asked.encode())

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.opened.is_set():
            self.refused = not self._received.startswith(b"HTTP/1.1 200")
            self.opened.set()
        if self._received.endswith(END_OF_CHUNK):
            self.tally.take(bytes(self._received))
            self._received.clear()

    def connection_lost(self, _: Exception | None) -> None:
        self.refused |= not self.opened.is_set()
        self.ended = True
        self.opened.set()


async def _listen(order: dict[str, Any]) -> Heard:
    tally = Tally()
    streams = [Stream(path, order["key"], tally) for path in order["paths"]]
    await open_all(streams, order["port"], OPENING_SECONDS)
    await asyncio.sleep(order["seconds"])
    refused = sum(each.refused for each in streams)
    ended = sum(each.ended for each in streams) - refused
    return Heard(dict(tally.delays), tally.received, len(streams) - refused, refused, ended)


def main() -> None:
    order = json.load(sys.stdin)
    gc.disable()
    heard = asyncio.run(_listen(order))
    json.dump(asdict(heard), sys.stdout)


if __name__ == "__main__":
    main()
