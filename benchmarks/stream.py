"""Streams of events: many who read them on one API process while events come in.

Two loads, each with as many streams: a few events that every stream gets, and many of which each stream gets its
regency's. All events to all streams at the higher rate would be two million messages a second.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence

import numpy as np
import psutil

from benchmarks import serving
from benchmarks.bed import cpu_seconds
from benchmarks.offices import sending
from benchmarks.result import Figure, Goal, Result
from benchmarks.stream_listeners import Heard, Listening
from cakupan import wiring
from cakupan.stack import Stack
from events import regions
from projections import keys

PATH = "/v1/stream?topics=activation"
LOADS = {"all": 50, "own": 1000}  # events a second
SECONDS = 30
AFTER_SECONDS = 10  # for what was published last
REACH_MS = 1000
REACH_STREAMS = 2000
MIB = 1 << 20


def run(count: int) -> Result:
    """With `count` streams. Kafka, worker, engine, API, offices and readers share this machine's cores."""
    result = Result("stream", f"make bench NAME=stream EVENTS={count}")
    villages = sorted(regions.village_numbers())
    with serving.stack() as stack:
        key = _key(stack, count)
        for name, rate in LOADS.items():
            paths = _paths(name, count)
            with _reading(stack.settings.api_port, key, paths) as readers:
                readers.ready()
                with sending(stack.settings.kafka_bootstrap, rate, SECONDS, villages):
                    used = cpu_seconds(stack.api.pid if stack.api else None)
                used = cpu_seconds(stack.api.pid if stack.api else None) - used
                heard = readers.heard()
            title = f"{rate} events/s, each stream {'all' if name == 'all' else 'its regency'}"
            _tell(result, title, heard, used)
            expected = rate * SECONDS * (count if name == "all" else count / len(_regencies()))
            result.figures[f"{title}: received"] = Figure(heard.received, f"of {expected:,.0f} or so")
            result.goals[f"{title}: streams"] = Goal(REACH_STREAMS, heard.streams - heard.ended >= REACH_STREAMS)
        api = psutil.Process(stack.api.pid if stack.api else None)
        result.figures["memory of the API"] = Figure(api.memory_info().rss / MIB, "MiB")
    return result


def _tell(result: Result, title: str, heard: Heard, used: float) -> None:
    delays = np.repeat(np.array(list(heard.delays), dtype=float), list(heard.delays.values()))
    result.figures[f"{title}: streams open to the end"] = Figure(heard.streams - heard.ended, "streams")
    for percent in (50, 99):
        found = float(np.percentile(delays, percent)) if delays.size else float("inf")
        result.figures[f"{title}: publish to receipt, p{percent}"] = Figure(found, "ms")
    result.figures[f"{title}: CPU of the API"] = Figure(used / SECONDS, "cores")
    result.goals[f"{title}: publish to receipt, p99, ms"] = Goal(REACH_MS, found < REACH_MS)


def _key(stack: Stack, count: int) -> str:
    now = dt.datetime.now(dt.UTC)
    return keys.add(wiring.database(stack.settings), "bench", 0, count, now + dt.timedelta(days=1), now)


def _paths(name: str, count: int) -> Sequence[str]:
    if name == "all":
        return [PATH] * count
    codes = _regencies()
    return [f"{PATH}&region={codes[number % len(codes)]}" for number in range(count)]


def _regencies() -> list[str]:
    return [each.code for each in regions.by_number().values() if each.level == "regency"]


@contextlib.contextmanager
def _reading(port: int, key: str, paths: Sequence[str]) -> Iterator[Listening]:
    readers = Listening(port, key, paths, SECONDS + AFTER_SECONDS)
    try:
        yield readers
    finally:
        readers.stop()
