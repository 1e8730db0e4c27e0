"""The three scenes: one broker under everything; a cluster that loses brokers; a full disk."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import disk
from tests.chaos.load import Load
from tests.chaos.measure import Verdict
from tests.chaos.run import Run, Say
from tests.chaos.schedule import FULL, ONE, Deck, Step, schedule
from tests.chaos.system import System, cluster, single, started
from tests.chaos.workers import PRODUCT
from tests.conftest import free_port

RATE = 300
FULL_SECONDS = 8.0
NO_SPACE = "NOT_ENOUGH_SPACE"
DISK_KILLS = 2
CLUSTER_STEPS = (
    Step("join", "two", 1.0),
    Step("broker killed", lasts=4.0),
    Step("kill", ONE, 1.0, kills=1),
    Step("broker killed", lasts=1.0),
    Step("kill", ONE, 2.0, kills=1),
    Step("broker killed", lasts=6.0),
)
CLUSTER_KILLS = sum(step.kills for step in CLUSTER_STEPS)


@dataclass
class Outcome:
    """What a scene found, how often it killed a worker, and how many records provinces were passed, and again."""

    kills: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    passed: int = 0
    repeated: int = 0

    def add(self, other: Outcome) -> None:
        self.kills += other.kills
        self.verdict.add(other.verdict)
        self.passed += other.passed
        self.repeated += other.repeated


@dataclass(frozen=True)
class Bounds:
    """`kills` of a worker in all, from `seed`; no fault begins after `deadline` (`time.monotonic`).

    `patience`: seconds that a part has to read something before it is killed.
    """

    kills: int
    seed: int
    deadline: float
    rate: int = RATE
    patience: float = 12.0


@contextlib.contextmanager
def under_load(system: System, bounds: Bounds, say: Say, module: tuple[str, ...] = PRODUCT) -> Iterator[Run]:
    """A run on a new database, with load; ended in the end, whatever happens."""
    settings = system.new_settings()
    # Each run of one log has people of its own.
    seed = bounds.seed * 1000 + system.runs
    load = Load(system.bootstrap, system.acknowledged, seed, bounds.rate)
    run = Run(system, settings, load, say, bounds.deadline, module, bounds.patience)
    load.start()
    try:
        yield run
    finally:
        with contextlib.suppress(RuntimeError):
            load.stop(30)
        run.stop()


def everything(system: System, bounds: Bounds, say: Say, deck: Deck = FULL) -> Outcome:
    """Kills at random points, workers that come and go, broker and ClickHouse away, bad records."""
    with under_load(system, bounds, say) as run:
        run.execute(schedule(bounds.seed, bounds.kills, deck))
        run.rest()
        return _outcome(run)


def losing_brokers(system: System, bounds: Bounds, say: Say) -> Outcome:
    """Three brokers; each in turn is killed under load and comes back."""
    with under_load(system, bounds, say) as run:
        run.execute(CLUSTER_STEPS)
        run.rest()
        return _outcome(run)


def full_disk(system: System, bounds: Bounds, say: Say) -> Outcome:
    """ClickHouse has no room for some seconds; a worker dies in them, and after them there is room again."""
    node = system.clickhouse
    assert isinstance(node, disk.SmallDisk)
    with under_load(system, bounds, say) as run:
        worker = run.workers[ONE]
        run.kill(worker, 1.0)
        worker.wait_reading(30)
        node.fill()
        time.sleep(FULL_SECONDS / 2)
        run.kill_now(worker)
        time.sleep(FULL_SECONDS / 2)
        node.free()
        if NO_SPACE not in worker.log.read_text(encoding="utf-8", errors="replace"):
            run.wrong.append("the disk was full and the worker never heard of it")
        run.done["disk filled"] += 1
        run.done["kill"] += DISK_KILLS
        run.rest()
        return _outcome(run)


def _outcome(run: Run) -> Outcome:
    verdict, passed_on = run.measure(), run.passed_on()
    verdict.add(passed_on.verdict)
    return Outcome(run.kills, verdict, passed_on.passed, passed_on.repeated)


def all_scenes(folder: Path, bounds: Bounds, say: Say) -> Outcome:
    """The cluster and the disk first, where there are kills enough for them; then everything else."""
    total = Outcome()
    spare = bounds.kills >= 10 * (CLUSTER_KILLS + DISK_KILLS)
    if spare:
        total.add(_cluster_scene(folder / "cluster", bounds, say))
        total.add(_disk_scene(folder / "disk", bounds, say))
    left = Bounds(bounds.kills - total.kills, bounds.seed, bounds.deadline, bounds.rate)
    say(f"one broker: {left.kills} kills of a worker, and all other faults")
    (folder / "single").mkdir()
    with started(single(folder / "single")) as system:
        total.add(everything(system, left, say))
    return total


def _cluster_scene(folder: Path, bounds: Bounds, say: Say) -> Outcome:
    say("three brokers, each killed in turn")
    folder.mkdir()
    with started(cluster(folder)) as system:
        return losing_brokers(system, bounds, say)


def _disk_scene(folder: Path, bounds: Bounds, say: Say) -> Outcome:
    if reason := disk.why_not():
        say(f"the full disk is left out: {reason}")
        return Outcome()
    say("a full disk")
    folder.mkdir()
    system = single(folder)
    system.clickhouse = disk.SmallDisk(folder / "clickhouse", port=free_port())
    with started(system):
        return full_disk(system, bounds, say)
