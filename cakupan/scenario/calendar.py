"""How many people on which day in which area, and who they are: arrays of areas x days, and no list of people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cakupan.scenario import weights
from cakupan.scenario.people import JOURNEYS, Kind
from cakupan.scenario.weights import DAYS, GAP, LADDER, slots
from cakupan.scenario.world import Area, World

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bits = NDArray[np.uint64]

_KIND_SLOTS = 1024
_HAS_LATER = np.array([journey.later is not None for journey in JOURNEYS.values()])
_HAS_AFTER = np.array([journey.after is not None for journey in JOURNEYS.values()])
_LAGS = np.array(LADDER)


@dataclass(frozen=True)
class Calendar:
    """Arrays of shape (areas, days). `total` is `counted` and everyone else; `at_visit` is a share, 0 to 1.

    `kinds` and `kinds_left_out` are look-up tables of `Kind` of 1,024 entries.
    """

    seed: int
    counted: Ints
    total: Ints
    visits: Ints
    cancelled: Ints
    at_visit: Floats
    kinds: Ints
    kinds_left_out: Ints


@dataclass(frozen=True)
class Crowd:
    """People, in arrays of one length. `visit` is the number of the visit where they are met, -1 at the desk."""

    area: Ints
    day: Ints
    index: Ints
    kind: Ints
    lag: Ints
    visit: Ints

    def only(self, mask: NDArray[np.bool_]) -> Crowd:
        return Crowd(*(each[mask] for each in self.columns()))

    def columns(self) -> tuple[Ints, ...]:
        return self.area, self.day, self.index, self.kind, self.lag, self.visit

    def rows(self) -> zip[tuple[int, ...]]:
        return zip(*(each.tolist() for each in self.columns()), strict=True)


def calendar(world: World) -> Calendar:
    """Drawn from the seed. Row sums of `counted` are exactly what the areas say."""
    rng = np.random.default_rng([world.seed % 2**63, 1])
    busy = _busy(rng)
    people = np.array([area.counted for area in world.areas])
    outreach = np.array([weights.OUTREACH_SHARE if area.outreach else 0.0 for area in world.areas])
    expected = np.outer(people * outreach, busy) / weights.VISIT_YIELD
    visits = _visits(rng, expected)
    desk = np.outer(people * (1 - outreach), busy)
    visited = visits * weights.VISIT_YIELD * rng.gamma(14, 1 / 14, visits.shape)
    counted = np.stack([_spread(rng, area, row) for area, row in zip(world.areas, desk + visited, strict=True)])
    return Calendar(
        seed=world.seed,
        counted=counted,
        total=counted + rng.poisson(counted * world.left_out_share),
        visits=visits,
        cancelled=rng.poisson(expected * weights.CANCELLED),
        at_visit=visited / np.maximum(desk + visited, 1e-12),
        kinds=_table(world.counted),
        kinds_left_out=_table(world.left_out),
    )


def crowd(cal: Calendar, areas: Ints, days: Ints) -> Crowd:
    """Everyone whose first contact is in one of the pairs (area, day)."""
    totals = cal.total[areas, days]
    pair = np.repeat(np.arange(len(areas)), totals)
    index = np.arange(len(pair)) - np.repeat(np.cumsum(totals) - totals, totals)
    area, day = areas[pair], days[pair]
    bits = _mixed(cal.seed, area, day, index)
    counts = index < cal.counted[area, day]
    slot = (bits & np.uint64(_KIND_SLOTS - 1)).astype(np.int64)
    kind = np.where(counts, cal.kinds[slot], cal.kinds_left_out[slot])
    lag = _LAGS[((bits >> np.uint64(10)) % np.uint64(len(LADDER))).astype(np.int64)]
    too_late = _HAS_LATER[kind] & (day + lag + GAP >= DAYS)
    kind[too_late] = np.where(counts, Kind.STAYS, Kind.REGISTERS)[too_late]
    return Crowd(area, day, index, kind, lag, _visit(cal, area, day, bits))


def met_again(cal: Calendar, areas: Ints, day: int) -> tuple[Crowd, Crowd]:
    """People of these areas to whom something happens on `day`: what comes later, and what follows from it."""
    later = _lagging(cal, areas, day)
    after = _lagging(cal, areas, day - GAP)
    return later.only(_HAS_LATER[later.kind]), after.only(_HAS_AFTER[after.kind])


def _lagging(cal: Calendar, areas: Ints, day: int) -> Crowd:
    lags = _LAGS[day >= _LAGS]
    people = crowd(cal, np.tile(areas, len(lags)), np.repeat(day - lags, len(areas)))
    return people.only(people.lag == day - people.day)


def _busy(rng: np.random.Generator) -> Floats:
    """How busy each day is; adds up to 1."""
    dates = [weights.FIRST + dt.timedelta(days=day) for day in range(DAYS)]
    busy = np.linspace(*weights.RAMP, DAYS) * np.array([weights.WEEKDAYS[date.weekday()] for date in dates])
    for first, last, factor in weights.HOLIDAYS:
        busy[(first - weights.FIRST).days : (last - weights.FIRST).days + 1] *= factor
    for start in rng.choice(DAYS // weights.PUSH_DAYS, weights.PUSHES, replace=False) * weights.PUSH_DAYS:
        busy[start : start + weights.PUSH_DAYS] *= weights.PUSH
    share: Floats = busy / busy.sum()
    return share


def _visits(rng: np.random.Generator, expected: Floats) -> Ints:
    """Teams are few: the number of visits in a day hardly strays from what is expected, where they go does."""
    by_day = np.floor(expected.sum(axis=0) + rng.random(DAYS)).astype(np.int64)
    by_area = expected.sum(axis=1)
    return rng.multinomial(by_day, by_area / by_area.sum()).T


def _spread(rng: np.random.Generator, area: Area, row: Floats) -> Ints:
    return rng.multinomial(area.counted, row / row.sum()) if area.counted else np.zeros(DAYS, dtype=np.int64)


def _table(kinds: Mapping[int, float]) -> Ints:
    return np.array([int(kind) for kind in slots(kinds, _KIND_SLOTS)])


def _visit(cal: Calendar, area: Ints, day: Ints, bits: Bits) -> Ints:
    share = (bits >> np.uint64(20) & np.uint64(0xFFFF)).astype(np.float64) / 2**16
    visits = cal.visits[area, day]
    number = (bits >> np.uint64(40)).astype(np.int64) % np.maximum(visits, 1)
    return np.where((visits > 0) & (share < cal.at_visit[area, day]), number, -1)


def _mixed(seed: int, area: Ints, day: Ints, index: Ints) -> Bits:
    """64 random bits of each person (SplitMix64 of a counter)."""
    start = (day << 44) | (area << 32) | index
    bits = start.astype(np.uint64) * np.uint64(0x9E37_79B9_7F4A_7C15) + np.uint64(_seed_bits(seed))
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    mixed: Bits = bits ^ (bits >> np.uint64(31))
    return mixed


def _seed_bits(seed: int) -> int:
    return seed * 0xD1B5_4A32_D192_ED03 % 2**64
