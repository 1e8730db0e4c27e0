"""Live rates: many who listen to the nation on one API process while events come in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks import serving
from benchmarks.freshness import WARM_SECONDS, probe
from benchmarks.listeners import Heard, Listening
from benchmarks.offices import sending
from benchmarks.result import Figure, Goal, Result
from events import regions

PATH = "/v1/rates/0/live"
EVENTS = 50  # a second
SECONDS = 30
AFTER_SECONDS = 5  # for what was published last
WARM_MOST_SECONDS = 20
NEVER = 1e9
REACH_MS = 1000
REACH_STREAMS = 2000


def run(count: int) -> Result:
    """With `count` streams, all of the nation. Kafka, worker, engine, API and listeners share this machine's cores."""
    result = Result("live", f"make bench NAME=live EVENTS={count}")
    villages = sorted(regions.village_numbers())
    with serving.stack() as stack, listening(stack.settings.api_port, count) as listeners:
        listeners.ready()
        # A system that has just started is another benchmark's.
        warmed = len(probe(stack, villages[0], 1.0, WARM_SECONDS))
        with sending(stack.settings.kafka_bootstrap, EVENTS, SECONDS, villages) as offices:
            pass
        heard = listeners.heard()
    times = delays(offices.published, heard, warmed)
    result.figures["streams asked for"] = Figure(count, "streams")
    result.figures["streams let in"] = Figure(len(heard.streams), "streams")
    for percent in (50, 99):
        result.figures[f"publish to receipt, p{percent}"] = Figure(float(np.percentile(times, percent)), "ms")
    result.figures["never received"] = Figure(int((times > NEVER).sum()), f"of {times.size}")
    result.goals["streams"] = Goal(REACH_STREAMS, len(heard.streams) >= REACH_STREAMS)
    result.goals["publish to receipt, p99, ms"] = Goal(REACH_MS, float(np.percentile(times, 99)) < REACH_MS)
    return result


@contextlib.contextmanager
def listening(port: int, count: int) -> Iterator[Listening]:
    listeners = Listening(port, PATH, count, WARM_MOST_SECONDS + SECONDS + AFTER_SECONDS)
    try:
        yield listeners
    finally:
        listeners.stop()


def delays(published: Sequence[float], heard: Heard, before: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Milliseconds, for every event and stream, to the first message that counts as many events as were published, and
    the ones of before."""
    sent = np.array(published)
    each = [_seen([(at, number - before) for at, number in stream], len(sent)) - sent for stream in heard.streams]
    return np.concatenate(each) * 1000


def _seen(stream: Sequence[tuple[float, int]], count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """When the first, the second, ... event was in a message of this stream."""
    seen = np.full(count, NEVER)
    known = 0
    for at, number in stream:
        seen[known : max(known, number)] = at
        known = max(known, number)
    return seen
