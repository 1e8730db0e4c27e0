"""The Sambas scenario: one regency, 19 districts, 195 villages, 2023-02-01 to 2024-06-30.

On the last day exactly 43,336 people domiciled in Sambas are active, the figure that its office published for the
first half of 2024. How they got there is made up: see `weights`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cakupan.scenario.people import Kind
from cakupan.scenario.stream import stream
from cakupan.scenario.weights import apportion
from cakupan.scenario.world import Area, Office, Planned, Villages, World
from events import regions
from events.catalogue import HERE

SAMBAS = 6101
ACTIVE = 43_336

_NEIGHBOURS = {6172: 560, 6107: 250, 6171: 490}  # people of Sambas who are served there, of those who count


class _Seat(NamedTuple):
    """An office of Sambas: its districts, how hard it is to reach, whether its first app was older."""

    source: str
    region: int
    districts: tuple[int, ...]
    hardness: int
    old: bool


_SEATS = (
    _Seat("synthetic/dukcapil-61.01", SAMBAS, (610101, 610110, 610114, 610115), 0, False),
    _Seat("synthetic/upt-61.01.02", 610102, (610102, 610106, 610111, 610117), 1, True),
    _Seat("synthetic/upt-61.01.03", 610103, (610103, 610116), 1, True),
    _Seat("synthetic/upt-61.01.04", 610104, (610104, 610112, 610113), 0, False),
    _Seat("synthetic/upt-61.01.05", 610105, (610105, 610107, 610118, 610119), 0, False),
    _Seat("synthetic/upt-61.01.08", 610108, (610108, 610109), 2, True),
)
_REGISTER = len(_SEATS)  # the province's office keeps the civil register

# Against a middling district: how many take part. The rest are 0.95.
_UPTAKE = {610101: 1.25, 610105: 1.2, 610104: 1.05, 610108: 0.7, 610109: 0.55, 610110: 0.8}
_HARDNESS = {610101: 0, 610104: 0, 610105: 0, 610113: 0, 610108: 2, 610109: 2, 610110: 2, 610106: 2}

_COUNTED: dict[int, float] = {
    Kind.STAYS: 80,
    Kind.WAITS: 9,
    Kind.RENEWS: 3.4,
    Kind.RENEWS_LATER: 2,
    Kind.MOVES: 1.6,
    Kind.MOVES_SLOWLY: 0.9,
    Kind.MOVES_UNTIDILY: 0.6,
    Kind.ERASED: 0.3,
    Kind.ARRIVES: 2.2,
}
_LEFT_OUT: dict[int, float] = {
    Kind.REGISTERS: 46,
    Kind.TURNED_AWAY: 28,
    Kind.OUTSIDER: 10,
    Kind.LEAVES: 7,
    Kind.DIES: 2,
    Kind.DEACTIVATES: 7,
}


def sambas(seed: int) -> Iterator[Planned]:
    """Some 290,000 events in the order in which they are sent; late ones late, some twice. Deterministic by seed."""
    return stream(_world(seed))


def _world(seed: int) -> World:
    rng = np.random.default_rng([seed % 2**63, 3])
    population = _populations()
    villages = {each: _villages(rng, each, population[each]) for each in population}
    whole = Villages({code: weight for each in villages.values() for code, weight in each.items()})
    around = _around(rng)
    districts = [
        _district(each, counted, Villages(villages[each]), whole, around)
        for each, counted in _counted(population).items()
    ]
    neighbours = [
        Area(region, _REGISTER + 1 + number, _REGISTER, counted, whole, whole, around[region], 0, outreach=False)
        for number, (region, counted) in enumerate(_NEIGHBOURS.items())
    ]
    areas = [*districts, *neighbours]
    return World("sambas", seed, _offices(), areas, _COUNTED, _LEFT_OUT, 0.36, idle_heartbeats=True)


def _offices() -> list[Office]:
    seats = [
        Office(
            seat.source,
            seat.region,
            (SAMBAS,) if seat.region == SAMBAS else seat.districts,
            seat.hardness,
            6 if seat.region == SAMBAS else 45,
            seat.old,
        )
        for seat in _SEATS
    ]
    province = Office("synthetic/dukcapil-61", 61, (61,), 0, 12)
    others = [Office(f"synthetic/dukcapil-{regions.format_code(each)}", each, (each,)) for each in _NEIGHBOURS]
    return [*seats, province, *others]


def _populations() -> dict[int, int]:
    """Estimated people by district, from `sambas_kecamatan.csv`."""
    with (HERE / "data" / "sambas_kecamatan.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {regions.parse_code(row["code"]): int(row["pop_2024s2_estimate"]) for row in rows}


def _counted(population: dict[int, int]) -> dict[int, int]:
    weights = [people * _UPTAKE.get(district, 0.95) for district, people in population.items()]
    here = ACTIVE - sum(_NEIGHBOURS.values())
    return dict(zip(population, apportion(here, weights), strict=True))


def _villages(rng: np.random.Generator, district: int, people: int) -> dict[int, float]:
    """No counts by village are published: shares of the district are drawn."""
    codes = [village.number for village in regions.children()[district]]
    shares = rng.lognormal(0, 0.35, len(codes))
    return dict(zip(codes, (people * shares / shares.sum()).tolist(), strict=True))


def _around(rng: np.random.Generator) -> dict[int, Villages]:
    return {each: Villages(_villages_of_regency(rng, each)) for each in _NEIGHBOURS}


def _villages_of_regency(rng: np.random.Generator, regency: int) -> dict[int, float]:
    districts = regions.children()[regency]
    return {code: weight for each in districts for code, weight in _villages(rng, each.number, 1).items()}


def _district(district: int, counted: int, home: Villages, whole: Villages, around: dict[int, Villages]) -> Area:
    office = next(number for number, seat in enumerate(_SEATS) if district in seat.districts)
    neighbour = 6107 if district in (610109, 610110) else 6172 if district % 2 else 6171
    return Area(district, office, _REGISTER, counted, home, whole, around[neighbour], _HARDNESS.get(district, 1))
