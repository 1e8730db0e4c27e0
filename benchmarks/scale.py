"""What an event costs as more is stored, as the topic has more partitions, and with a second worker.

The machine's speed changes from minute to minute, and a measure of half an hour meets all of it. So each run stands
between two of as many events into an empty system, by one worker, and what counts is how much longer it took than they.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from benchmarks import people
from benchmarks.bed import Bed, Run, at_rest, bed, check, held, take_in
from benchmarks.log import Log, Truth, nation_log
from benchmarks.result import Figure, Goal, Result
from cakupan import wiring
from cakupan.settings import Settings

STORED = (1_000_000, 10_000_000)
# Events that a log is made of, at most: of more it takes hours. More than that are people stored by SQL, in the shape
# that the worker writes, with so many events each; EVENTS=66000000 are the 60 million that other benchmarks use.
LOGGED = STORED[-1]
EVENTS_A_PERSON = 1.1
EMPTY = (4, 1)  # partitions, as the topic has them, and workers of what all is compared with
SHAPES = ((1, 1), (2, 1), (4, 1), (8, 1), (16, 1))
TWO_WORKERS = (4, 2)
SLICE = 2_000_000  # events that each measure takes in: enough that merges and recomputes come in their usual measure
ROUNDS = 2
FLAT = 1.2  # the dearest to the cheapest

# The broker waits for the second worker before it shares out the partitions, so that both begin together.
TOGETHER = {"group.initial.rebalance.delay.ms": "10000"}


@dataclass(frozen=True)
class Measure:
    """A run, and its time an event by that of the two into an empty system around it."""

    run: Run
    times: float


def run(events: int) -> Result:
    """Measure up to `events` events stored."""
    result = Result("scale", f"make bench NAME=scale EVENTS={events}")
    logged = min(events, LOGGED)
    log = nation_log(logged + _slice(logged))
    stored: dict[str, list[Measure]] = defaultdict(list)
    shapes: dict[tuple[int, int], list[Measure]] = defaultdict(list)
    for _ in range(ROUNDS):
        _on_log(log, logged, stored)
        if events > logged:
            _on_people(log, round(events / EVENTS_A_PERSON), _slice(logged), stored)
        _of_shapes(log, _slice(logged), shapes)
    _flat(result, "stored", stored)
    _flat(result, "partitions", {str(partitions): shapes[partitions, 1] for partitions, _ in SHAPES})
    _show(result, "workers: 2", shapes[TWO_WORKERS])
    faster = 1 / _times(shapes[TWO_WORKERS])
    result.ratios["2 workers to 1"] = faster
    result.goals["2 workers to 1, times"] = Goal(1, faster >= 1)
    return result


def _flat(result: Result, name: str, measures: Mapping[str, Sequence[Measure]]) -> None:
    for value, each in measures.items():
        _show(result, f"{name}: {value}", each)
    times = [_times(each) for each in measures.values()]
    spread = max(times) / min(times)
    result.ratios[f"{name}: the dearest to the cheapest"] = spread
    result.goals[f"{name}: the dearest to the cheapest, times at most"] = Goal(FLAT, spread <= FLAT)


def _show(result: Result, name: str, measures: Sequence[Measure]) -> None:
    runs = [each.run for each in measures]
    result.figures[name] = Figure(fmean(map(_cost, runs)) * 1e6, "µs an event")
    cpu = fmean(sum(run.cpu.values()) / run.events for run in runs) * 1e6
    result.figures[f"{name}, CPU of all parts"] = Figure(cpu, "µs an event")
    result.ratios[f"{name}, to an empty system around it"] = _times(measures)


def _times(measures: Sequence[Measure]) -> float:
    return fmean(each.times for each in measures)


def _on_log(log: Log, events: int, stored: dict[str, list[Measure]]) -> None:
    """A slice on top of what was stored before, for each number of events stored."""
    with bed(log) as here:
        settings = here.new_settings()
        for mark in _marks(events):
            here.load(mark)
            take_in(here, settings)
            turn = partial(_on_top, here, settings, _slice(events), log.truth(mark + _slice(events)))
            at_rest(here.clickhouse.pid)
            stored[f"{mark:,}"] += _in_turns(log, _slice(events), [turn])


def _on_top(here: Bed, settings: Settings, events: int, truth: Truth, before: tuple[int, int] = (0, 0)) -> Run:
    """So many events more of the log, on top of what is stored. What is still merged is nobody else's cost."""
    here.load(here.loaded + events)
    took = take_in(here, settings)
    check(settings, truth, before)
    at_rest(here.clickhouse.pid)
    return took


def _on_people(log: Log, count: int, slice_events: int, stored: dict[str, list[Measure]]) -> None:
    """A slice of the log on top of so many people, by their number of events."""
    folder, made = people.stored(count)
    with people.copied(folder) as copy, bed(log, stored=copy) as here:
        settings = here.settings_of("default")
        wiring.database(settings).run("TRUNCATE TABLE position")  # where another log had come to
        turn = partial(_on_top, here, settings, slice_events, log.truth(slice_events), held(settings))
        at_rest(here.clickhouse.pid)
        stored[f"{made.events:,}"] += _in_turns(log, slice_events, [turn])


def _of_shapes(log: Log, events: int, shapes: dict[tuple[int, int], list[Measure]]) -> None:
    """A slice into an empty system, with each number of partitions and workers."""
    every = (*SHAPES, TWO_WORKERS)
    measures = _in_turns(log, events, [partial(_alone, log, events, *shape) for shape in every])
    for shape, measure in zip(every, measures, strict=True):
        shapes[shape].append(measure)


def _in_turns(log: Log, events: int, turns: Sequence[Callable[[], Run]]) -> list[Measure]:
    """Each of the turns between two of so many events into an empty system."""
    empty, runs = [_alone(log, events, *EMPTY)], []
    for turn in turns:
        runs.append(turn())
        empty.append(_alone(log, events, *EMPTY))
    around = itertools.pairwise(_cost(each) for each in empty)
    return [Measure(run, _cost(run) / fmean(costs)) for run, costs in zip(runs, around, strict=True)]


def _cost(run: Run) -> float:
    """Seconds an event."""
    return run.seconds / run.events


def _marks(events: int) -> list[int]:
    """How many events are stored at each measure: far enough from each other for a slice between them."""
    below = [mark for mark in STORED if mark <= events // 2]
    return [*(below or [events // 10]), events]


def _alone(log: Log, events: int, partitions: int, workers: int) -> Run:
    """A slice of so many events into an empty system."""
    with bed(log, partitions, TOGETHER if workers > 1 else None) as here:
        here.load(events)
        settings = here.new_settings()
        took = take_in(here, settings, workers)
        check(settings, log.truth(events))
        return took


def _slice(events: int) -> int:
    """Small enough that the next mark lies behind it."""
    return min(SLICE, events // 5)
