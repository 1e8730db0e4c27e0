"""From the log to the event base and the coverage buckets: the product against other ways to do the same job.

One Kafka, one ClickHouse, one log. Every competitor has a process, a consumer group and a database of its own, one
after the other, and its result is checked. Slow ones get the first part of the log, so that they take two minutes at
most. We take in as much before and after each: the machine's speed changes while it runs.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.bed import Bed, Run, WrongResult, bed, check, take_in
from benchmarks.log import ROOT, nation_log
from benchmarks.peers.job import Job, Outcome
from benchmarks.result import Figure, Goal, Result
from events.catalogue import ACTIVATION

PEERS_PYTHON = ROOT / ".tools" / "peers" / "bin" / "python"
PEER_SECONDS = 600

OURS = "Cakupan"
FLOOR = "floor: consume and drop"
REFERENCE = "reference: bare parts, no buckets"
FAUST = "Faust as it comes"

REACH = 250_000  # events a second
REACH_FAUST, REACH_PEER, REACH_REFERENCE = 25, 2.5, 0.75


@dataclass(frozen=True)
class Competitor:
    """A program in `benchmarks.peers`. `most`: events it gets at most. `package`: what it needs and we do not."""

    module: str
    most: int = sys.maxsize
    package: str = ""
    buckets: bool = True


COMPETITORS: dict[str, Competitor] = {
    FLOOR: Competitor("floor", buckets=False),
    REFERENCE: Competitor("reference", buckets=False),
    "confluent-kafka loop": Competitor("loop", 2_000_000),
    "FastStream": Competitor("faststream_app", 2_000_000, "faststream"),
    "Bytewax": Competitor("bytewax_flow", 2_000_000, "bytewax"),
    "Quix Streams": Competitor("quix", 2_000_000, "quixstreams"),
    FAUST: Competitor("stock_faust", 1_000_000),
}


class CannotRun(Exception):
    """A competitor's packages are not there."""


def run(events: int) -> Result:
    """Take in up to `events` events with each. Raises WrongResult if one did not do the whole job.

    The log grows from turn to turn: what an event costs depends on how many there are.
    """
    result = Result("ingest", f"make bench NAME=ingest EVENTS={events}")
    log = nation_log(events)
    sizes = sorted({min(each.most, log.events) for each in COMPETITORS.values()} | {log.events})
    with bed(log) as here:
        for size in sizes:
            here.load(size)
            ours = _in_turns(here, size, result)
            name = OURS if size == log.events else f"{OURS}, {size:,} events"
            result.figures[name] = Figure(_rate(ours), "events/s")
    result.notes[OURS] = f"from its first fetch on, start-up left out; {log.events:,} events"
    _show_time(result, ours[-1])
    _set_goals(result)
    return result


def _in_turns(here: Bed, size: int, result: Result) -> list[Run]:
    """Our runs of so many events, one before and one after each competitor that gets as many."""
    ours = [_ours(here, size)]
    for name, competitor in COMPETITORS.items():
        if min(competitor.most, here.log.events) == size:
            _measure(here, name, competitor, size, result)
            ours.append(_ours(here, size))
            if name in result.figures:
                result.ratios[f"{OURS} to {name}"] = _rate(ours[-2:]) / result.figures[name].value
    return ours


def _rate(runs: list[Run]) -> float:
    """Events a second, of all of them together."""
    return sum(each.events for each in runs) / sum(each.seconds for each in runs)


def _ours(here: Bed, size: int) -> Run:
    settings = here.new_settings()
    run = take_in(here, settings)
    check(settings, here.log.truth(size))
    here.drop(settings)
    return run


def _measure(here: Bed, name: str, competitor: Competitor, events: int, result: Result) -> None:
    settings = here.new_settings()
    database = settings.clickhouse_database
    job = Job(here.kafka.bootstrap, ACTIVATION, events, here.clickhouse.port, database, str(here.folder))
    try:
        outcome = _carry_out(competitor, job)
    except CannotRun as error:
        result.notes[name] = str(error)
        return
    truth = here.log.truth(events)
    if competitor.buckets:
        check(settings, truth)
    if outcome.rows is not None and outcome.rows != truth.events:
        raise WrongResult(f"{competitor.module}: {outcome.rows:,} events instead of {truth.events:,}")
    here.drop(settings)
    result.figures[name] = Figure(events / (outcome.ended - outcome.began), "events/s")
    result.notes[name] = f"{outcome.packages}; {events:,} events"


def _carry_out(competitor: Competitor, job: Job) -> Outcome:
    python = PEERS_PYTHON if competitor.package else Path(sys.executable)
    if not python.exists():
        raise CannotRun("not installed; `make bench NAME=ingest` does it")
    command = [str(python), "-m", f"benchmarks.peers.{competitor.module}", json.dumps(asdict(job))]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PEER_SECONDS, check=False)
    if competitor.package and f"No module named '{competitor.package}" in done.stderr:
        raise CannotRun(f"{competitor.package} has no package for Python {platform.python_version()}")
    if done.returncode:
        raise RuntimeError(f"{competitor.module} failed:\n{done.stderr[-3000:]}")
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


def _show_time(result: Result, ours: Run) -> None:
    """Where the time goes: the worker's own measure of its steps, which overlap, and CPU time by process."""
    for name, seconds in ours.steps.items():
        result.figures[f"{OURS}: {name}"] = Figure(seconds / ours.events * 1e6, "µs an event")
    for name, seconds in ours.cpu.items():
        result.figures[f"{OURS}: CPU of {name}"] = Figure(seconds / ours.events * 1e6, "µs an event")


def _set_goals(result: Result) -> None:
    ratios = {name: result.ratios[f"{OURS} to {name}"] for name in COMPETITORS if name in result.figures}
    best = min((name for name in ratios if COMPETITORS[name].buckets), key=ratios.__getitem__)
    result.goals[f"{OURS}, events/s"] = Goal(REACH, result.figures[OURS].value >= REACH)
    for name, reach in ((FAUST, REACH_FAUST), (best, REACH_PEER), (REFERENCE, REACH_REFERENCE)):
        result.goals[f"{OURS} to {name}, times"] = Goal(reach, ratios[name] >= reach)
