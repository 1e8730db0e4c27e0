"""`cakupan rebuild --dry-run` of a log while the API answers, on a system that has worked off what came."""

from __future__ import annotations

import threading
import time

import numpy as np

from benchmarks import serving
from benchmarks.api import coverage_requests
from benchmarks.bed import at_rest
from benchmarks.load import Answers, load
from benchmarks.log import nation_log
from benchmarks.result import Figure, Goal, Result
from cakupan import wiring
from cakupan.embedded.process import Child
from cakupan.loading import wait_until_taken_in
from cakupan.stack import Stack
from events.catalogue import ACTIVATION

RATE = 20  # requests a second
TURN_SECONDS = 10
REACH_MINUTES, REACH_EVENTS = 6, 60_000_000
REACH_MS = 50
GIVE_UP_SECONDS = 4 * 3600


def run(count: int) -> Result:
    """A log of `count` events, taken in by the worker and then built anew from the log beside it."""
    result = Result("rebuild", f"make bench NAME=rebuild EVENTS={count}")
    log = nation_log(count)
    with serving.stack() as stack:
        log.produce(stack.settings.kafka_bootstrap, ACTIVATION, 0, log.events)
        assert wait_until_taken_in(wiring.database(stack.settings), lambda *_: None), stack.worker
        assert stack.api is not None
        for part in (stack.api.pid, stack.clickhouse.pid):  # merges of what came belong to its coming
            at_rest(part)
        port, requests = stack.settings.api_port, coverage_requests(RATE * TURN_SECONDS)
        load(port, requests, RATE)
        _note(result, "before", [load(port, requests, RATE)])
        seconds, turns = _rebuild(stack)
    p99 = _note(result, "meanwhile", turns)
    result.figures["rebuilt and compared"] = Figure(log.events, "events")
    result.figures["in"] = Figure(seconds / 60, "minutes")
    minutes = seconds / 60 * REACH_EVENTS / log.events
    result.figures[f"at that rate, {REACH_EVENTS:,} events"] = Figure(minutes, "minutes")
    result.goals[f"{REACH_EVENTS:,} events, minutes"] = Goal(REACH_MINUTES, minutes <= REACH_MINUTES)
    result.goals["coverage meanwhile, p99, ms"] = Goal(REACH_MS, p99 < REACH_MS)
    return result


def _rebuild(stack: Stack) -> tuple[float, list[Answers]]:
    """Seconds that the command took, and what the API answered until its end."""
    command = ["cakupan", "rebuild", "--dry-run", "--json"]
    turns: list[Answers] = []
    ended: list[float] = []
    began = time.monotonic()
    with serving.running("rebuild", command, stack.settings) as rebuild:
        threading.Thread(target=_note_end, args=(rebuild, ended), daemon=True).start()
        while not ended:
            assert time.monotonic() - began < GIVE_UP_SECONDS
            turns.append(load(stack.settings.api_port, coverage_requests(RATE * TURN_SECONDS), RATE))
        assert rebuild.exit_code == 0, rebuild.tail()
    return ended[0] - began, turns


def _note_end(child: Child, ended: list[float]) -> None:
    child.process.wait()
    ended.append(time.monotonic())


def _note(result: Result, name: str, turns: list[Answers]) -> float:
    times = np.concatenate([each.milliseconds for each in turns])
    for percent in (50, 99):
        result.figures[f"coverage {name}, p{percent}"] = Figure(float(np.percentile(times, percent)), "ms")
    result.figures[f"coverage {name}, errors"] = Figure(sum(each.errors for each in turns), f"of {times.size}")
    return float(np.percentile(times, 99))
