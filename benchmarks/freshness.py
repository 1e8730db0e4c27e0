"""From an event published to its number in the coverage answer: when little happens, and under load."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks import people, serving
from benchmarks.bed import at_rest
from benchmarks.offices import activation, sending
from benchmarks.result import Figure, Goal, Result
from cakupan.embedded.process import LOOPBACK
from cakupan.stack import Stack
from events import regions
from events.publisher import Publisher

REACH_IDLE_MS, REACH_LOADED_MS = 250, 1000
LOAD = 5000  # events a second
OFFICES = 500
SECONDS = 60
WARM_SECONDS = 10
LOOK_SECONDS = 0.005
GIVE_UP_SECONDS = 60
IDLE = "1 event/s"
FEW, ALL = f"{LOAD} events/s from {OFFICES} offices", f"{LOAD} events/s over all villages"


def run(count: int) -> Result:
    """On an empty system, and with `count` people stored."""
    result = Result("freshness", f"make bench NAME=freshness EVENTS={count}")
    folder, _ = people.stored(count)
    _measure(result, "empty", None)
    _measure(result, f"{count:,} people stored", folder)
    figures = {name: figure.value for name, figure in result.figures.items() if name.endswith("p99")}
    idle = max(value for name, value in figures.items() if IDLE in name)
    loaded = max(value for name, value in figures.items() if IDLE not in name)
    result.goals["1 event/s, p99, ms"] = Goal(REACH_IDLE_MS, idle <= REACH_IDLE_MS)
    result.goals[f"{LOAD} events/s, p99, ms"] = Goal(REACH_LOADED_MS, loaded <= REACH_LOADED_MS)
    return result


def _measure(result: Result, name: str, folder: Path | None) -> None:
    villages = sorted(regions.village_numbers())
    watched, others = villages[0], villages[1:]
    with serving.stack(folder) as stack:
        assert stack.api is not None and stack.worker is not None and stack.clickhouse.pid is not None
        # A system that has just started is another benchmark's. After this counts, and who has moved before, are in
        # memory, and parts of a nation's that were due to be merged when more came, once in hours, are merged.
        probe(stack, watched, 1.0, WARM_SECONDS)
        with sending(stack.settings.kafka_bootstrap, LOAD, WARM_SECONDS, others):
            pass
        for pid in (stack.api.pid, stack.worker.pid, stack.clickhouse.pid):
            at_rest(pid)
        _note(result, f"{name}, {IDLE}", probe(stack, watched, 1.0))
        for load, served in ((FEW, others[:: len(others) // OFFICES][:OFFICES]), (ALL, others)):
            with under_load(stack, served):
                _note(result, f"{name}, {load}", probe(stack, watched, 2.0))


@contextlib.contextmanager
def under_load(stack: Stack, villages: Sequence[int]) -> Iterator[None]:
    with sending(stack.settings.kafka_bootstrap, LOAD, WARM_SECONDS + SECONDS, villages):
        time.sleep(WARM_SECONDS)
        yield


def probe(stack: Stack, village: int, rate: float, seconds: float = SECONDS) -> list[float]:
    """Milliseconds from publishing each of `rate` activations a second in a village to their number in its answer.

    Events of one village: the answer that holds so many of them is the first that can hold the last one of these.
    """
    published: list[float] = []
    count = round(rate * seconds)
    seen: list[float] = []
    with contextlib.closing(Answer(stack.settings.api_port, village)) as answer:
        before = answer.people()
        sender = threading.Thread(target=_publish, args=(stack, village, rate, count, published), daemon=True)
        sender.start()
        deadline = time.monotonic() + seconds + GIVE_UP_SECONDS
        while len(seen) < count and time.monotonic() < deadline:
            now = answer.people() - before
            seen += [time.monotonic()] * (now - len(seen))
            time.sleep(LOOK_SECONDS)
        sender.join()
    seen += [float("inf")] * (count - len(seen))
    return [(there - sent) * 1000 for sent, there in zip(published, seen, strict=True)]


def _publish(stack: Stack, village: int, rate: float, count: int, published: list[float]) -> None:
    rng = np.random.default_rng(6)
    with Publisher(stack.settings.kafka_bootstrap) as publisher:
        begin = time.monotonic()
        for number in range(count):
            # Not in step with anything that happens every second.
            time.sleep(max(0.0, begin + (number + rng.random()) / rate - time.monotonic()))
            published.append(time.monotonic())
            publisher.publish(activation(village, time.time_ns() // 1_000_000))


class Answer:
    """The coverage answer of a region, asked again and again."""

    def __init__(self, port: int, region: int) -> None:
        self._http = http.client.HTTPConnection(LOOPBACK, port, timeout=GIVE_UP_SECONDS)
        self._path = f"/v1/coverage/{regions.format_code(region)}"

    def people(self) -> int:
        """Active people; 0 where nothing is known."""
        self._http.request("GET", self._path)
        numerator = json.loads(self._http.getresponse().read())["numerator"]
        return numerator["value"] if numerator else 0

    def close(self) -> None:
        self._http.close()


def _note(result: Result, name: str, times: Sequence[float]) -> None:
    for percent in (50, 99):
        result.figures[f"{name}, p{percent}"] = Figure(float(np.percentile(times, percent)), "ms")
