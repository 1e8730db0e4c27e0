"""Batches as a worker may meet them: bad records next to good ones, of one type and of all, under the wrong topic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from events.catalogue import BY_SCHEMA_ID, TOPICS
from events.codec import HEADER_BYTES
from tests.fuzz import mutants, seeds
from tests.fuzz.mutants import Mutation

LONGEST = 120
DAY_MS = 86_400_000


@dataclass
class Batch:
    """Records under a topic, when each arrived, and which of them are mutated."""

    topic: str
    records: list[bytes | None]
    arrived: list[int]
    mutated: set[int]


def batch(rng: Random) -> Batch:
    """One batch with at least one mutant."""
    topic = rng.choice([each for each in TOPICS if seeds.schemas_of(each)])
    schemas = seeds.schemas_of(topic)
    if rng.random() < 0.5:
        schemas = [rng.choice(schemas)]  # all share a container
    records: list[bytes | None] = [_good(rng, schemas) for _ in range(rng.choice([1, 2, 3, 10, 30, LONGEST]))]
    made = Batch(topic, records, [seeds.ARRIVED] * len(records), set())
    share = rng.choice([0.03, 0.3, 1.0])
    mutations = rng.choice([mutants.ANY, mutants.ANY, [mutants.gentle]])  # gentle ones alone may pass the fast reader
    chosen = [index for index in range(len(records)) if rng.random() < share] or [rng.randrange(len(records))]
    for index in chosen:
        _mutate(rng, made, index, mutations)
    if rng.random() < 0.3:
        _move(rng, made)
    if rng.random() < 0.02:
        made.topic, made.mutated = rng.choice([each for each in TOPICS if each != topic]), set(range(len(records)))
    return made


def _good(rng: Random, schemas: Sequence[int]) -> bytes:
    return rng.choice(seeds.records()[rng.choice(schemas)])


def _mutate(rng: Random, made: Batch, index: int, mutations: Sequence[Mutation]) -> None:
    raw = made.records[index]
    assert raw is not None
    made.mutated.add(index)
    chance = rng.random()
    if chance < 0.02:  # too early for what it says
        made.arrived[index] = rng.choice([0, seeds.ARRIVED - rng.randrange(4 * 365) * DAY_MS])
    elif chance < 0.04:
        made.records[index] = mutants.other_record(rng)  # good, of any topic
    else:
        made.records[index] = mutants.mutant(rng, raw, mutations)


def _move(rng: Random, made: Batch) -> None:
    """Borders moved between records that stand next to each other in a container."""
    for first, second in _neighbours(made.records):
        one, other = made.records[first], made.records[second]
        if rng.random() < 0.5 and one is not None and other is not None and len(one) + len(other) > 2 * HEADER_BYTES:
            made.records[first], made.records[second] = mutants.moved(rng, one, other)
            made.mutated |= {first, second}


def _neighbours(records: Sequence[bytes | None]) -> Iterator[tuple[int, int]]:
    last: dict[bytes, int] = {}
    for index, raw in enumerate(records):
        if raw is None or int.from_bytes(raw[:HEADER_BYTES], "big") not in BY_SCHEMA_ID:
            continue
        if raw[:HEADER_BYTES] in last:
            yield last[raw[:HEADER_BYTES]], index
        last[raw[:HEADER_BYTES]] = index
