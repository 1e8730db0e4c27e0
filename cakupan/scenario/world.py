"""What a scenario plays in: offices, areas, villages, a seed. Everything in it is a function of the seed."""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from cakupan.scenario import weights
from events.catalogue import EVENTS, EventType, Version
from events.codec import Event, Values

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
WIB_MS = 7 * HOUR_MS
EPOCH = dt.date(1970, 1, 1)
FIRST_DAY = (weights.FIRST - EPOCH).days  # days since 1970-01-01
FIRST_MS = FIRST_DAY * DAY_MS - WIB_MS
_VARIANT = 0x8000_0000_0000_0000
_LOW_62 = 0x3FFF_FFFF_FFFF_FFFF


class Planned(NamedTuple):
    """An event as its office sends it: `event` in the newest fields, `version` of the schema that the office writes."""

    event: Event
    version: Version


class Villages:
    """Villages with weights. `pick` takes 32 random bits, so that nobody has to hold a generator."""

    __slots__ = ("_ends", "codes")

    def __init__(self, weight_of: Mapping[int, float]) -> None:
        self.codes = tuple(weight_of)
        scale = 2**32 / sum(weight_of.values())
        self._ends = [int(end * scale) for end in accumulate(weight_of.values())][:-1]

    def pick(self, bits: int) -> int:
        """A village's number."""
        return self.codes[bisect_right(self._ends, bits)]


@dataclass(frozen=True)
class Office:
    """An office that sends. `campaign_days`: days between its campaigns, 0 for none. `old`: its first app was older."""

    source: str
    region: int
    regions: tuple[int, ...]
    hardness: int = 0
    campaign_days: int = 0
    old: bool = False


@dataclass(frozen=True)
class Area:
    """Where people are served: its office, and the civil register's (both indexes into `World.offices`).

    `counted` people who are served here end active and domiciled where the scenario counts. They live in `home`, move
    within `near`, and, if they come from or go elsewhere, there is `away`.
    """

    region: int
    office: int
    register: int
    counted: int
    home: Villages
    near: Villages
    away: Villages
    hardness: int = 0
    outreach: bool = True


@dataclass(frozen=True)
class World:
    """A scenario. `counted` and `left_out`: weights of `people.Kind`, of those who count at the end and of others.

    `left_out_share` is how many people there are of the second sort for one of the first.
    """

    name: str
    seed: int
    offices: Sequence[Office]
    areas: Sequence[Area]
    counted: Mapping[int, float]
    left_out: Mapping[int, float]
    left_out_share: float
    idle_heartbeats: bool

    def digest(self, what: bytes, *numbers: int, size: int = 32) -> bytes:
        """Random bytes that depend on the seed and the arguments only."""
        return hashlib.blake2b(
            what + struct.pack(f">{len(numbers)}I", *numbers), key=self.key, digest_size=size
        ).digest()

    @cached_property
    def speaks_first(self) -> dict[int, int]:
        """Of every office, the first area that it is the office or the register of."""
        first: dict[int, int] = {}
        for number, area in enumerate(self.areas):
            first.setdefault(area.office, number)
            first.setdefault(area.register, number)
        return first

    @cached_property
    def key(self) -> bytes:
        """Two scenarios of one seed share nobody: their events may stand in one log."""
        return hashlib.blake2b(f"{self.name} {self.seed}".encode(), digest_size=16).digest()


def start_of(day: int) -> int:
    """Midnight (WIB) of a day of the scenario, epoch milliseconds."""
    return FIRST_MS + day * DAY_MS


def event_id(at_ms: int, step: int, bits: int) -> bytes:
    """A UUIDv7. `step` (12 bits) orders one sender's events of one millisecond, `bits` sets senders apart."""
    return ((at_ms << 80) | 0x7000 << 64 | step << 64 | _VARIANT | (bits & _LOW_62)).to_bytes(16, "big")


def planned(name: str, values: Values) -> Planned:
    """An event in its newest version."""
    kind = EVENTS[name]
    return Planned(Event(kind, values), kind.newest)


def type_of(name: str) -> tuple[EventType, Version]:
    return EVENTS[name], EVENTS[name].newest
