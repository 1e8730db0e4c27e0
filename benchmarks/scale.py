"""What an event costs as more is stored, as the topic has more partitions, and with a second worker."""

from __future__ import annotations

from benchmarks import people
from benchmarks.bed import Run, at_rest, bed, check, held, take_in
from benchmarks.log import Log, nation_log
from benchmarks.result import Figure, Goal, Result
from cakupan import wiring

STORED = (1_000_000, 10_000_000)
# Events that a log is made of, at most: of more it takes hours. More than that are people stored by SQL, in the shape
# that the worker writes, with so many events each; EVENTS=66000000 are the 60 million that other benchmarks use.
LOGGED = STORED[-1]
EVENTS_A_PERSON = 1.1
PARTITIONS = (1, 2, 4, 8, 16)
SLICE = 2_000_000  # events that each measure takes in: enough that merges and recomputes come in their usual measure
ROUNDS = 2  # in turns, and the quicker one counts: what else a machine does only adds
TWO_WORKERS = (4, 2)  # partitions, workers
FLAT = 1.2  # the dearest to the cheapest

# The broker waits for the second worker before it shares out the partitions, so that both begin together.
TOGETHER = {"group.initial.rebalance.delay.ms": "10000"}


def run(events: int) -> Result:
    """Measure up to `events` events stored."""
    result = Result("scale", f"make bench NAME=scale EVENTS={events}")
    logged = min(events, LOGGED)
    log = nation_log(logged + _slice(logged))
    stored = _by_stored(log, logged)
    if events > logged:
        stored |= _on_people(log, round(events / EVENTS_A_PERSON), _slice(logged))
    _flat(result, "stored", {f"{mark:,}": each for mark, each in stored.items()})
    shapes = [*((partitions, 1) for partitions in PARTITIONS), TWO_WORKERS]
    runs = _quickest(log, _slice(logged), shapes)
    _flat(result, "partitions", {str(partitions): runs[partitions, 1] for partitions in PARTITIONS})
    one, two = runs[TWO_WORKERS[0], 1], runs[TWO_WORKERS]
    result.figures["1 worker"], result.figures["2 workers"] = (Figure(each.rate, "events/s") for each in (one, two))
    result.ratios["2 workers to 1"] = two.rate / one.rate
    result.goals["2 workers to 1, times"] = Goal(1, two.rate >= one.rate)
    return result


def _flat(result: Result, name: str, runs: dict[str, Run]) -> None:
    costs = {value: run.seconds / run.events * 1e6 for value, run in runs.items()}
    for value, cost in costs.items():
        result.figures[f"{name}: {value}"] = Figure(cost, "µs an event")
        cpu = sum(runs[value].cpu.values()) / runs[value].events * 1e6
        result.figures[f"{name}: {value}, CPU of all parts"] = Figure(cpu, "µs an event")
    spread = max(costs.values()) / min(costs.values())
    result.ratios[f"{name}: the dearest to the cheapest"] = spread
    result.goals[f"{name}: the dearest to the cheapest, times at most"] = Goal(FLAT, spread <= FLAT)


def _by_stored(log: Log, events: int) -> dict[int, Run]:
    """A slice on top of what was stored before, for each number of events stored."""
    runs: dict[int, Run] = {}
    with bed(log) as here:
        settings = here.new_settings()
        for stored in _marks(events):
            here.load(stored)
            take_in(here, settings)
            at_rest(here.clickhouse.pid)  # what it still merges is not the next events' cost
            here.load(stored + _slice(events))
            runs[stored] = take_in(here, settings)
            check(settings, log.truth(stored + _slice(events)))
    return runs


def _on_people(log: Log, count: int, slice_events: int) -> dict[int, Run]:
    """A slice of the log on top of so many people, by their number of events."""
    folder, made = people.stored(count)
    with people.copied(folder) as copy, bed(log, stored=copy) as here:
        settings = here.settings_of("default")
        wiring.database(settings).run("TRUNCATE TABLE position")  # where another log had come to
        before = held(settings)
        here.load(slice_events)
        at_rest(here.clickhouse.pid)
        took = take_in(here, settings)
        check(settings, log.truth(slice_events), before)
        return {made.events: took}


def _marks(events: int) -> list[int]:
    """How many events are stored at each measure: far enough from each other for a slice between them."""
    below = [mark for mark in STORED if mark <= events // 2]
    return [*(below or [events // 10]), events]


def _quickest(log: Log, slice_events: int, shapes: list[tuple[int, int]]) -> dict[tuple[int, int], Run]:
    """The quickest run of each number of partitions and workers."""
    runs = [(shape, _alone(log, slice_events, *shape)) for _ in range(ROUNDS) for shape in shapes]
    return {shape: min((run for each, run in runs if each == shape), key=lambda run: run.seconds) for shape in shapes}


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
