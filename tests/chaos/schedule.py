"""Which faults come when: a list, made from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

ONE, TWO, THREE = "one", "two", "three"  # workers. One and two outlive their processes by name, three has no name


@dataclass(frozen=True)
class Step:
    """A fault. `worker`: whom it strikes. `after`: seconds from when that worker reads. `lasts`: seconds."""

    fault: str
    worker: str = ONE
    after: float = 0.0
    lasts: float = 0.0
    kills: int = 0


Deck = tuple[tuple[str, int], ...]

# A deck for every so many kills, shuffled anew each time. Those marked * hold a kill of their own. Kills are those of
# workers: the fan-out is killed besides.
FULL = (
    ("kill", 13),
    ("kill another", 1),
    ("kill the nameless", 1),
    ("kill at start", 1),
    ("join", 2),
    ("join the nameless", 1),
    ("leave", 1),
    ("leave the nameless", 1),
    ("kill the fan-out", 4),
    ("broker killed", 1),
    ("clickhouse killed", 1),  # *
    ("clickhouse stopped", 1),  # *
    ("clickhouse slow", 2),  # *
    ("poison", 1),
)
SHORT = (
    ("kill", 8),
    ("kill at start", 1),
    ("join the nameless", 1),
    ("leave the nameless", 1),
    ("kill the fan-out", 2),
    ("broker killed", 1),
    ("clickhouse killed", 1),  # *
    ("clickhouse slow", 2),  # *
    ("poison", 1),
)
OTHERS = {
    "join": TWO,
    "leave": TWO,
    "kill another": TWO,
    "join the nameless": THREE,
    "leave the nameless": THREE,
    "kill the nameless": THREE,
}
KILLING = frozenset(
    {
        "kill",
        "kill another",
        "kill the nameless",
        "kill at start",
        "clickhouse killed",
        "clickhouse stopped",
        "clickhouse slow",
    }
)
LONG_OUTAGE = Step("clickhouse stopped", ONE, 5.0, 125.0, 1)
# A stop that meets an insert is rare: one after the other until some do.
STOPS = (Step("clickhouse stopped", ONE, 0.5, 1.0, 1),) * 20


def schedule(seed: int, kills: int, deck: Deck = FULL) -> list[Step]:
    """Steps with `kills` kills of a worker. A long run has ClickHouse away for two minutes, and stops it in a row."""
    chance = random.Random(f"schedule {seed}")
    steps: list[Step] = []
    if kills >= 100:
        steps += [LONG_OUTAGE, *STOPS]
    for fault in _dealt(chance, deck):
        if sum(step.kills for step in steps) == kills:
            return steps
        steps.append(_step(chance, fault))
    return steps


def _dealt(chance: random.Random, deck: Deck) -> Iterator[str]:
    cards = [fault for fault, count in deck for _ in range(count)]
    while True:
        chance.shuffle(cards)
        yield from cards


def _step(chance: random.Random, fault: str) -> Step:
    after = chance.uniform(0.3, 2.5) if chance.random() < 0.8 else chance.uniform(0, 0.3)
    return Step(
        fault, OTHERS.get(fault, ONE), round(after, 2), round(chance.uniform(1.0, 5.0), 2), int(fault in KILLING)
    )
