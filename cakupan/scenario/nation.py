"""The nation: the journeys of the Sambas scenario over all 514 regencies and cities, in any size.

Made to load the system, not to look like any published figure: people are spread in proportion to the population.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

import numpy as np

from cakupan.scenario.people import Kind
from cakupan.scenario.stream import stream
from cakupan.scenario.weights import apportion
from cakupan.scenario.world import Area, Office, Planned, Villages, World
from events import regions
from events.catalogue import HERE

_REMOTE = frozenset({53, 65, 81, 82, 91, 92, 93, 94, 95, 96})
_NEAR = frozenset({31, 32, 33, 34, 35, 36, 51})
_ELSEWHERE = 4096  # villages, drawn by population, where those come from and go to who cross a regency's border

_COUNTED: dict[int, float] = {
    Kind.STAYS: 77,
    Kind.WAITS: 9,
    Kind.RENEWS: 3.4,
    Kind.RENEWS_LATER: 2,
    Kind.MOVES: 1.6,
    Kind.MOVES_SLOWLY: 0.9,
    Kind.MOVES_UNTIDILY: 0.6,
    Kind.ERASED: 0.3,
    Kind.ARRIVES: 1.6,
    Kind.LEAVES: 1.6,
    Kind.OUTSIDER: 2,
}
_LEFT_OUT: dict[int, float] = {
    Kind.REGISTERS: 56,
    Kind.TURNED_AWAY: 34,
    Kind.DIES: 2,
    Kind.DEACTIVATES: 8,
}


def nation(people: int, seed: int) -> Iterator[Planned]:
    """About seven events a person. Exactly `people` are active on 2024-06-30. Memory does not grow with `people`.

    In order of recording within a day while a day has less than some thousand people, else by regency.
    """
    if people < 1:
        raise ValueError("people: must be 1 or more")
    return stream(_world(people, seed))


def _world(people: int, seed: int) -> World:
    rng = np.random.default_rng([seed % 2**63, 4])
    population = _populations()
    villages = {each: _villages(rng, each) for each in population}
    elsewhere = _elsewhere(rng, population, villages)
    provinces = sorted({regency // 100 for regency in population})
    counted = apportion(people, [float(each) for each in population.values()])
    areas = [
        _area(number, regency, counts, villages[regency], elsewhere, len(population) + provinces.index(regency // 100))
        for number, (regency, counts) in enumerate(zip(population, counted, strict=True))
    ]
    offices = [*map(_office, population), *map(_province, provinces)]
    name = f"nation of {people}"
    return World(name, seed, offices, areas, _COUNTED, _LEFT_OUT, 0.32, idle_heartbeats=False)


def _area(
    number: int, regency: int, counted: int, villages: dict[int, float], elsewhere: Villages, register: int
) -> Area:
    home = Villages(villages)
    return Area(regency, number, register, counted, home, home, elsewhere, _hardness(regency // 100))


def _office(regency: int) -> Office:
    source = f"synthetic/dukcapil-{regions.format_code(regency)}"
    return Office(source, regency, (regency,), _hardness(regency // 100), 30, old=regency % 3 == 0)


def _province(province: int) -> Office:
    return Office(f"synthetic/dukcapil-{province}", province, (province,), 0, 12)


def _hardness(province: int) -> int:
    if province in _REMOTE:
        return 2
    return 0 if province in _NEAR else 1


def _populations() -> dict[int, int]:
    """People by regency, from `population_2024s2.csv`."""
    with (HERE / "data" / "population_2024s2.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if len(row["code"]) == len("61.01")]
    return {regions.parse_code(row["code"]): int(row["total"]) for row in rows}


def _villages(rng: np.random.Generator, regency: int) -> dict[int, float]:
    index = regions.children()
    codes = [village.number for district in index[regency] for village in index[district.number]]
    return dict(zip(codes, rng.lognormal(0, 0.5, len(codes)).tolist(), strict=True))


def _elsewhere(rng: np.random.Generator, population: dict[int, int], villages: dict[int, dict[int, float]]) -> Villages:
    people = np.array(list(population.values()), dtype=float)
    drawn = rng.choice(list(population), _ELSEWHERE, p=people / people.sum())
    codes = [int(rng.choice(list(villages[regency]))) for regency in drawn.tolist()]
    return Villages(dict.fromkeys(codes, 1.0))
