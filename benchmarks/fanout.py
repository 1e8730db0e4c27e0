"""What the fan-out costs: the worker with and without one beside it, turn by turn on the same log; how fast it is by
itself; and how long an event takes from its arrival in the log to its province's topic, at a steady rate.

Every province subscribes, so every event is passed on: no more can be asked of it.
"""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.bed import Bed, Run, bed, check, cpu_seconds, take_in, turn
from benchmarks.log import nation_log
from benchmarks.offices import sending
from benchmarks.result import Figure, Goal, Result
from benchmarks.serving import running
from cakupan.embedded.process import Child
from cakupan.settings import Settings
from events import provinces, regions, topics
from events.catalogue import ACTIVATION
from streams.log_reader import LogReader
from streams.routing import ARRIVED

FANOUT = "fanout", ["cakupan", "fanout"]
TURNS = 3
REACH = 0.15  # of the worker's time
RATE, SECONDS, WARM_SECONDS = 1_000, 30, 5
REACH_MS = 1_000
PATIENCE = 600.0
PROVINCES = [each.number for each in regions.children()[regions.NATION]]
OWN = [provinces.name_of(ACTIVATION, each) for each in PROVINCES]


def run(events: int) -> Result:
    """Take in `events` events, alone and with `cakupan fanout` beside, three times each; then at a steady rate."""
    result = Result("fanout", f"make bench NAME=fanout EVENTS={events}")
    log = nation_log(events)
    alone, beside, shares, passed = [], [], [], []
    with bed(log) as here:
        here.load(log.events)
        for each in PROVINCES:
            topics.apply(here.kafka.bootstrap, declared=provinces.topics_of(each))
        for _ in range(TURNS):
            alone.append(turn(here).rate)
            took, share = _turn_beside(here)
            beside.append(took.rate)
            shares.append(share)
            passed.append(_turn_by_itself(here))
        lag = _lags(here)
    without, with_it = statistics.median(alone), statistics.median(beside)
    cost, p99 = 1 - with_it / without, float(np.percentile(lag, 99))
    result.figures["worker alone"] = Figure(without, "events/s")
    result.figures["worker with a fan-out beside"] = Figure(with_it, "events/s")
    result.figures["fan-out's CPU while the worker is behind, of one core"] = Figure(statistics.median(shares), "share")
    result.figures["fan-out by itself"] = Figure(statistics.median(passed), "events/s")
    result.figures[f"lag at {RATE} events/s, median"] = Figure(float(np.percentile(lag, 50)), "ms")
    result.figures[f"lag at {RATE} events/s, p99"] = Figure(p99, "ms")
    result.ratios["with a fan-out to alone"] = with_it / without
    result.goals["cost of the worker's time, at most"] = Goal(REACH, cost <= REACH)
    result.goals[f"lag at {RATE} events/s, p99, ms"] = Goal(REACH_MS, p99 <= REACH_MS)
    return result


def _turn_beside(here: Bed) -> tuple[Run, float]:
    """What the worker took, and the fan-out's CPU a second meanwhile."""
    settings = _settings(here)
    before = _passed(here)
    with running(*FANOUT, settings) as fanout:
        _until(lambda: _passed(here) > before, fanout)
        began, cpu = time.monotonic(), cpu_seconds(fanout.pid)
        took = take_in(here, settings)
        share = (cpu_seconds(fanout.pid) - cpu) / (time.monotonic() - began)
    check(settings, here.log.truth(here.log.events))
    here.drop(settings)
    return took, share


def _turn_by_itself(here: Bed) -> float:
    """Events a second, from the first that is passed on."""
    settings = _settings(here)
    before = _passed(here)
    with running(*FANOUT, settings) as fanout:
        _until(lambda: _passed(here) > before, fanout)
        first, began = _passed(here), time.monotonic()
        _until(lambda: _passed(here) >= before + here.log.events, fanout)  # moves count twice: a little less than all
        rate = (_passed(here) - first) / (time.monotonic() - began)
    here.drop(settings)
    return rate


def _lags(here: Bed) -> list[float]:
    """Milliseconds from arrival in the log to arrival in the province's topic, of events at a steady rate."""
    settings = _settings(here)
    before = _passed(here)
    with running("worker", ["cakupan", "worker"], settings), running(*FANOUT, settings) as fanout:
        _until(lambda: _passed(here) >= before + here.log.events, fanout)
        _until_still(here)
        heads = _heads(here)
        with sending(here.kafka.bootstrap, RATE, WARM_SECONDS + SECONDS, sorted(regions.village_numbers())):
            pass
        _until(lambda: _passed(here) >= sum(heads.values()) + RATE * (WARM_SECONDS + SECONDS), fanout)
    with LogReader(here.kafka.bootstrap, "bench") as reader:
        ends = _heads(here)
        found = reader.read({place: (heads[place], ends[place]) for place in ends})
    messages = sorted((each for some in found.values() for each in some), key=lambda each: each.timestamp()[1])
    return [_lag(each) for each in messages[RATE * WARM_SECONDS :]]


def _lag(message: object) -> float:
    arrived = dict(message.headers())[ARRIVED].decode()  # type: ignore[attr-defined]
    return float(message.timestamp()[1] - dt.datetime.fromisoformat(arrived).timestamp() * 1000)  # type: ignore[attr-defined]


def _settings(here: Bed) -> Settings:
    settings = here.new_settings()
    name = f"{settings.clickhouse_database}-fanout"
    return settings.model_copy(update={"fanout_group": name, "fanout_metrics_port": 0, "worker_metrics_port": 0})


def _heads(here: Bed) -> dict[tuple[str, int], int]:
    with LogReader(here.kafka.bootstrap, "bench") as reader:
        return {(topic, each): end for topic in OWN for each, end in reader.heads(topic).items()}


def _passed(here: Bed) -> int:
    return sum(_heads(here).values())


def _until_still(here: Bed) -> None:
    """Wait until nothing more is passed on."""
    seen = -1
    while (now := _passed(here)) != seen:
        seen = now
        time.sleep(2)


def _until(done: Callable[[], bool], fanout: Child) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        if not fanout.running or time.monotonic() > deadline:
            raise RuntimeError(f"not all is passed on: {fanout.tail(5)}")
        time.sleep(0.2)
