"""When offices report: on the day, days late, twice, with a wrong clock, or not at all for a while; and heartbeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cakupan.scenario import weights
from cakupan.scenario.desk import Desk
from cakupan.scenario.weights import DAYS
from cakupan.scenario.world import HOUR_MS, Office, Planned, World, event_id, planned, start_of

Ints = NDArray[np.int64]

_LONGEST_DELAY = max(weights.LONGEST_LATE, weights.LONGEST_OUTAGE)
_HEARTBEAT_MS = 23 * HOUR_MS + HOUR_MS // 2
_MINUTE_MS = 60_000


@dataclass(frozen=True)
class Post:
    """Arrays of shape (offices, days): days from happening to sending; days from that to sending it again, 0 for
    never; milliseconds that the clock is off; whether the office is out of reach."""

    delay: Ints
    again: Ints
    skew_ms: Ints
    silent: NDArray[np.bool_]

    def desk(self, office: Office, number: int, day: int, out: list[Planned]) -> Desk:
        return Desk(office, day, int(self.delay[number, day]), int(self.skew_ms[number, day]), out)


@dataclass(frozen=True)
class Delivery:
    """What is sent on a day: what happened on `day` at these offices (their numbers), for the first time or again."""

    day: int
    offices: frozenset[int]
    again: bool


def post(world: World) -> Post:
    rng = np.random.default_rng([world.seed % 2**63, 2])
    hardness = np.array([office.hardness for office in world.offices])
    shape = (len(world.offices), DAYS)
    late = rng.random(shape) < np.array(weights.LATE)[hardness][:, None]
    delay = np.where(late, rng.integers(1, weights.LONGEST_LATE + 1, shape), 0)
    silent = np.zeros(shape, dtype=bool)
    for office, outages in enumerate(rng.poisson(np.array(weights.OUTAGES)[hardness])):
        for start in rng.integers(0, DAYS - _LONGEST_DELAY - 1, outages):
            _cut_off(delay[office], silent[office], int(start), int(rng.integers(2, weights.LONGEST_OUTAGE + 1)))
    delay = np.minimum(delay, DAYS - 1 - np.arange(DAYS))
    again = np.where(rng.random(shape) < weights.TWICE, rng.integers(1, weights.LONGEST_TWICE + 1, shape), 0)
    again[np.arange(DAYS) + delay + again >= DAYS] = 0
    skew = np.where(rng.random(shape) < weights.SKEWED, -rng.integers(5_000, 240_000, shape), 0)
    return Post(delay, again, skew, silent)


def deliveries(sent_by: Post, today: int) -> Iterator[Delivery]:
    """What goes out today, oldest first."""
    for day in range(max(0, today - _LONGEST_DELAY - weights.LONGEST_TWICE), today + 1):
        first = day + sent_by.delay[:, day]
        second = np.where(sent_by.again[:, day] > 0, first + sent_by.again[:, day], -1)
        for due, again in ((second == today, True), (first == today, False)):
            if due.any():
                yield Delivery(day, frozenset(np.nonzero(due)[0].tolist()), again)


def heartbeats(world: World, sent_by: Post, today: int, sent: Counter[str], active: set[str]) -> Iterator[Planned]:
    """Every office in reach says what it has sent. Idle ones only on Mondays where the world says so."""
    weekly = (weights.FIRST.weekday() + today) % 7 == 0
    for number, office in enumerate(world.offices):
        idle = office.source not in active and not world.idle_heartbeats and not weekly
        if not sent_by.silent[number, today] and not idle:
            yield _heartbeat(world, sent_by, number, today, sent[office.source])


def _cut_off(delay: Ints, silent: NDArray[np.bool_], start: int, days: int) -> None:
    back = start + days
    silent[start:back] = True
    delay[start:back] = back - np.arange(start, back)


def _heartbeat(world: World, sent_by: Post, number: int, today: int, sent: int) -> Planned:
    office = world.offices[number]
    draw = world.digest(b"heartbeat", number, today)
    at_ms = start_of(today) + _HEARTBEAT_MS + draw[0] * 1000
    values = {
        "event_id": event_id(at_ms, 5, int.from_bytes(draw[8:16], "big")),
        "occurred_at": at_ms,
        "recorded_at": at_ms + 100,
        "source": office.source,
        "service_region": office.region,
        "regions": list(office.regions),
        "events_sent": sent,
        "complete_until": _complete_until(sent_by.delay[number], today, at_ms),
    }
    return planned("SourceReported", values)


def _complete_until(delay: Ints, today: int, at_ms: int) -> int:
    """A minute ago, or the start of the first day of which something is still to be sent."""
    for day in range(max(0, today - _LONGEST_DELAY), today + 1):
        if day + delay[day] > today:
            return start_of(day)
    return at_ms - _MINUTE_MS
