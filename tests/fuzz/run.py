"""So many mutated records through the decoder, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from events import codec
from tests.fuzz import batches, judge
from tests.fuzz.batches import Batch


@dataclass
class Tally:
    """Mutated records, how many of them were decoded and dead, the good ones beside them, and every fault in words."""

    records: int = 0
    decoded: int = 0
    dead: int = 0
    beside: int = 0
    crashes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.records += other.records
        self.decoded += other.decoded
        self.dead += other.dead
        self.beside += other.beside
        self.crashes += other.crashes
        self.wrong += other.wrong


def fuzz(records: int, seed: int, part: int = 0) -> Tally:
    """At least so many mutated records. The same seed and part give the same ones, batch by batch."""
    tally = Tally()
    number = 0
    while tally.records < records:
        one = Tally()
        name = f"{seed}/{part}/{number}"
        try:
            _judge(batches.batch(Random(name)), one)
        except BaseException as error:  # a panic of polars is no Exception
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            one.crashes.append(f"{type(error).__name__}: {error}")
        one.crashes = [f"batch {name}: {each}" for each in one.crashes]
        one.wrong = [f"batch {name}: {each}" for each in one.wrong]
        tally.add(one)
        number += 1
    return tally


def _judge(made: Batch, tally: Tally) -> None:
    tally.records = len(made.mutated)
    tally.beside = len(made.records) - len(made.mutated)
    expected = [judge.reference(raw, made.topic, at) for raw, at in zip(made.records, made.arrived, strict=True)]
    tally.wrong += judge.faults(made.records, expected, codec.decode_batch(made.topic, made.records, made.arrived))
    for index in made.mutated:
        tally.wrong += judge.faults_of_the_page(made.records[index], made.topic)
    tally.decoded = sum(expected[index] is not None for index in made.mutated)
    tally.dead = tally.records - tally.decoded
