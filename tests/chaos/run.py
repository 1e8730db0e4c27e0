"""A run: load, workers, and the steps of a schedule, one after the other; at the end, rest."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cakupan.settings import Settings
from tests.chaos import copies
from tests.chaos.copies import Copies
from tests.chaos.load import Load
from tests.chaos.measure import Verdict, behind, measure
from tests.chaos.schedule import ONE, THREE, TWO, Step
from tests.chaos.system import SUBSCRIBED, System, frozen, slow
from tests.chaos.workers import PRODUCT, Fanout, Part, Worker

Say = Callable[[str], None]
POISONED_RECORDS = 25
TELL_SECONDS = 10.0


@dataclass
class Run:
    """`deadline`: no step begins after it (`time.monotonic`). `module`: what workers and fan-out run.

    `patience`: seconds; a part that has not read by then is killed all the same.
    """

    system: System
    settings: Settings
    load: Load
    say: Say
    deadline: float
    module: tuple[str, ...] = PRODUCT
    patience: float = 12.0
    kills: int = 0
    done: Counter[str] = field(default_factory=Counter)
    workers: dict[str, Worker] = field(default_factory=dict)
    fanout: Fanout = field(init=False)
    wrong: list[str] = field(default_factory=list)
    _told: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _brokers: int = 0

    def __post_init__(self) -> None:
        self.workers = {name: Worker(name, self.settings, self.module) for name in (ONE, TWO, THREE)}
        self.fanout = Fanout("only", self.settings, self.module)

    def execute(self, steps: Sequence[Step]) -> None:
        """Every step in turn; stops early when the deadline has come."""
        self.workers[ONE].start()
        self.fanout.start()
        for step in steps:
            if time.monotonic() > self.deadline:
                self.say(f"out of time after {self.kills} kills")
                return
            FAULTS[step.fault](self, step)
            self.done[step.fault] += 1
            self._start_again()
            self._tell()

    def rest(self, patience: float = 120) -> None:
        """No more faults and no more load: one worker and the fan-out come to the end of the log.

        It takes as long as it takes; it counts as stuck when it has not moved for `patience` seconds.
        """
        try:
            self.load.stop()
        except RuntimeError as error:
            self.wrong.append(str(error))
        for name in (TWO, THREE):
            self.workers[name].stop()
        last, until = None, time.monotonic() + patience
        while left := self._left():
            self.workers[ONE].start()
            self.fanout.start()
            if left != last:
                last, until = left, time.monotonic() + patience
            if time.monotonic() > until:
                self.wrong.append(
                    f"for {patience:g} s of rest nothing has moved; not in the answers, not passed on: {left}"
                )
                return
            time.sleep(0.5)

    def measure(self) -> Verdict:
        """Count, while the worker is still there to say where it stands."""
        self.say(f"{self.summary()}; counting")
        verdict = measure(self.settings, self.system.acknowledged)
        verdict.wrong = self.wrong + verdict.wrong
        return verdict

    def passed_on(self) -> Copies:
        """Compare what the provinces have with the log."""
        return copies.compare(self.settings, SUBSCRIBED)

    def stop(self) -> None:
        """End every process that still runs."""
        for part in self._parts:
            part.stop()

    def summary(self) -> str:
        known = self.system.acknowledged
        steps = ", ".join(f"{fault} {count}" for fault, count in sorted(self.done.items()))
        ended = Counter(code for part in self._parts for code in part.ended)
        codes = ", ".join(f"{count} with {code}" for code, count in sorted(ended.items()))
        by_itself = f"; what ended by itself: {codes}" if codes else ""
        return (
            f"{known.records:,} records acknowledged, {len(known.facts):,} distinct events,"
            f" {len(known.poison)} poisoned; {steps}{by_itself}"
        )

    def _left(self) -> Mapping[Any, int]:
        """How many records are not in the answers, and not passed on."""
        return {**behind(self.settings), **copies.behind(self.settings)}

    def kill(self, worker: Worker, after: float) -> None:
        """SIGKILL `after` seconds from when it reads, and start it again."""
        worker.start()
        worker.wait_reading(self.patience)
        time.sleep(after)
        self.kill_now(worker)

    def kill_now(self, worker: Worker) -> None:
        while not worker.kill():  # it had ended by itself: that is not our kill
            worker.start()
        self.kills += 1
        worker.start()

    def next_broker(self) -> int:
        """Brokers take turns."""
        self._brokers += 1
        return self._brokers % len(self.system.brokers)

    @property
    def _parts(self) -> list[Part]:
        return [*self.workers.values(), self.fanout]

    def _start_again(self) -> None:
        for part in self._parts:
            if part.child is not None:
                part.start()

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told > TELL_SECONDS:
            self._told = now
            known = self.system.acknowledged.records
            self.say(f"{now - self._began:6.1f} s  {self.kills} kills, {self.load.sent:,} sent, {known:,} acknowledged")


def _kill(run: Run, step: Step) -> None:
    run.kill(run.workers[step.worker], step.after)


def _kill_at_start(run: Run, step: Step) -> None:
    """Before it has read anything: while it joins its group."""
    worker = run.workers[step.worker]
    worker.start()
    time.sleep(step.after)
    run.kill_now(worker)


def _kill_fanout(run: Run, step: Step) -> None:
    run.fanout.start()
    run.fanout.wait_reading(run.patience)
    time.sleep(step.after)
    run.fanout.kill()


def _join(run: Run, step: Step) -> None:
    run.workers[step.worker].start()
    time.sleep(step.after)


def _leave(run: Run, step: Step) -> None:
    run.workers[step.worker].stop()


def _broker_killed(run: Run, step: Step) -> None:
    broker = run.system.brokers[run.next_broker()]
    broker.kill()
    time.sleep(step.lasts)
    broker.start()
    broker.wait_ready(120)


def _clickhouse_killed(run: Run, step: Step) -> None:
    """Both at once: nobody knows what of an insert has arrived."""
    worker = run.workers[step.worker]
    worker.start()
    worker.wait_reading(run.patience)
    run.system.clickhouse.kill()
    _away(run, step)


def _clickhouse_stopped(run: Run, step: Step) -> None:
    run.system.clickhouse.stop()
    _away(run, step)


def _away(run: Run, step: Step) -> None:
    time.sleep(step.lasts / 2)
    run.kill_now(run.workers[step.worker])
    time.sleep(step.lasts / 2)
    run.system.clickhouse.start()
    run.system.clickhouse.wait_ready(120)


def _clickhouse_slow(run: Run, step: Step) -> None:
    """It answers a little, then not at all, and the worker dies waiting."""
    worker = run.workers[step.worker]
    worker.start()
    worker.wait_reading(run.patience)
    slow(run.system.clickhouse.pid, step.lasts)
    with frozen(run.system.clickhouse.pid):
        time.sleep(step.after)
        run.kill_now(worker)


def _poison(run: Run, step: Step) -> None:
    run.load.poison(POISONED_RECORDS)


FAULTS: Mapping[str, Callable[[Run, Step], None]] = {
    "kill": _kill,
    "kill another": _kill,
    "kill the nameless": _kill,
    "kill at start": _kill_at_start,
    "kill the fan-out": _kill_fanout,
    "join": _join,
    "join the nameless": _join,
    "leave": _leave,
    "leave the nameless": _leave,
    "broker killed": _broker_killed,
    "clickhouse killed": _clickhouse_killed,
    "clickhouse stopped": _clickhouse_stopped,
    "clickhouse slow": _clickhouse_slow,
    "poison": _poison,
}
