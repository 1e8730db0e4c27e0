"""The look at everything that can be wrong, again and again: what it finds is raised and cleared by rules."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from api.log_state import age_seconds
from cakupan.alerts import barriers, integrity, stall, targets
from cakupan.alerts.book import Book
from cakupan.alerts.finding import Finding, Key
from cakupan.alerts.hysteresis import Rule, State, step
from cakupan.alerts.silence import Silences
from events import regions
from events.errors import PublishError
from projections import answers
from projections.alerts import Kind
from projections.clickhouse import Database
from projections.errors import DatabaseError

log = logging.getLogger(__name__)

MINUTE_MS = 60_000
AWAY_SECONDS = 5.0
# While the answers are older, a source that is silent can't be told from a worker that is behind.
OLDEST_SECONDS = 120.0

Find = Callable[[Database, dt.datetime, Collection[Key]], Iterable[Finding]]


@dataclass(frozen=True)
class Watch:
    """How a kind is watched: at every so many looks; `by_answers`: nothing can be told while the answers are behind."""

    kind: Kind
    find: Find
    rule: Rule
    every: int = 1
    by_answers: bool = True


def watches() -> tuple[Watch, ...]:
    """Every kind, as a literal you can read.

    An outage of ours ends with every source silent at once: those that were never silent report within minutes.
    """
    return (
        Watch("integrity_difference", integrity.find, Rule(0, MINUTE_MS), by_answers=False),
        Watch("silence", Silences().find, Rule(10 * MINUTE_MS, 10 * MINUTE_MS)),
        Watch("stall", stall.find, Rule(0, 60 * MINUTE_MS), every=10),
        Watch("barrier_surge", barriers.find, Rule(0, 60 * MINUTE_MS), every=10),
        Watch("target_at_risk", targets.find, Rule(0, 0), every=360),
    )


@dataclass
class Told:
    """What a look led to. `over`: all that is over its upper threshold; `unknown`: kinds of which nothing is told."""

    raised: list[Finding] = field(default_factory=list)
    cleared: list[Finding] = field(default_factory=list)
    over: list[Finding] = field(default_factory=list)
    unknown: list[Kind] = field(default_factory=list)


class Watchman:
    """One watchman. Methods raise PublishError and DatabaseError; then close it and begin with a new one."""

    def __init__(self, bootstrap: str, database: Database, every: tuple[Watch, ...] | None = None) -> None:
        """`every`: what is watched; all kinds if left out."""
        self.book = Book(bootstrap)
        self._database = database
        self._watches = watches() if every is None else every
        self._states: dict[Key, State] = {}
        self._looks = 0
        self._due: dict[Kind, int] = {}

    def start(self) -> None:
        """Take up what is open."""
        self.book.read()
        self._states = {key: State(open=True) for key in self.book.open}

    def look(self, now: dt.datetime) -> Told:
        """Look at what is due, and tell what changed. At first all is due, and what could not be told is due again."""
        told, current = Told(), self._current(now)
        after: dict[Key, State] = {}
        for each in self._watches:
            if self._looks < self._due.get(each.kind, 0):
                continue
            if each.by_answers and not current:
                told.unknown.append(each.kind)
            else:
                self._due[each.kind] = self._looks + each.every
            after |= self._step(each, now, told)
        self.book.tell(told.raised, told.cleared, _ms(now))
        self._states = {k: v for k, v in {**self._states, **after}.items() if v != State()}
        self._looks += 1
        return told

    def close(self) -> None:
        """Let go of the broker."""
        self.book.close()

    def _step(self, watch: Watch, now: dt.datetime, told: Told) -> dict[Key, State]:
        """The states of one kind after this look; what changed is noted."""
        open_ = [key for key in self.book.open if key.kind == watch.kind]
        findings = [] if watch.kind in told.unknown else watch.find(self._database, now, open_)
        found = {each.key: each for each in findings}
        told.over += [each for each in found.values() if each.measured >= each.raise_at]
        after: dict[Key, State] = {}
        for key in found.keys() | {key for key in self._states if key.kind == watch.kind}:
            before, seen = self._states.get(key, State()), found.get(key)
            after[key] = step(before, seen, watch.rule, _ms(now))
            if seen is not None and after[key].open != before.open:
                (told.raised if after[key].open else told.cleared).append(seen)
        return after

    def _current(self, now: dt.datetime) -> bool:
        age = age_seconds(answers.log_place(self._database).taken, now)
        return age is not None and age <= OLDEST_SECONDS


def run(make: Callable[[], Watchman], look_seconds: float, ended: threading.Event) -> None:
    """Watch until `ended`. Where a part is away, begin again from what the topic holds."""
    while not ended.is_set():
        watchman = make()
        try:
            watchman.start()
            while not ended.is_set():
                began = time.monotonic()
                tell(watchman.look(dt.datetime.now(dt.UTC)))
                ended.wait(max(look_seconds - (time.monotonic() - began), 0.0))
        except (PublishError, DatabaseError, KafkaException) as error:
            log.warning("%s; again in %.0f s", error, AWAY_SECONDS)
            ended.wait(AWAY_SECONDS)
        finally:
            with contextlib.suppress(KafkaException):
                watchman.close()


def tell(told: Told) -> None:
    """Into the process's log."""
    for word, findings in (("raised", told.raised), ("cleared", told.cleared)):
        for each in findings:
            log.warning("%s: %s: %s", word, describe(each.key), each.reason)


def describe(key: Key) -> str:
    """What an alert is of, in words."""
    region = regions.region(key.region)
    return " ".join(each for each in (key.kind, region.code, region.name, key.subject) if each)


def _ms(at: dt.datetime) -> int:
    return round(at.timestamp() * 1000)
