"""The decoder under mutated records, a few of what `make fuzz` runs, and whether its judge sees what is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import polars as pl
import pytest

from events import codec, rules
from events.catalogue import ACTIVATION, BY_SCHEMA_ID, EVENTS, TOPICS, EventType
from events.codec import Decoded, Refused
from projections.catalogue import PROJECTIONS, insert, new_run
from projections.clickhouse import Database
from projections.migrate import BASES
from tests.fuzz import batches, judge, mutants, seeds
from tests.fuzz.batches import Batch
from tests.fuzz.run import fuzz

ROOT = Path(__file__).parent.parent
RECORDS = 50_000


def test_a_mutated_record_is_decoded_or_dead() -> None:
    tally = fuzz(RECORDS, seed=1)
    assert tally.crashes == []
    assert tally.wrong == []
    assert tally.records == tally.decoded + tally.dead >= RECORDS
    assert min(tally.decoded, tally.dead, tally.beside) > RECORDS // 20  # all three are tried


def test_the_command_says_what_came_of_how_many() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--records", "1500", "--seed", "7"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    again = fuzz(1500, seed=7)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1] == (
        f"fuzzed {again.records:,} records, decoded {again.decoded:,}, dead {again.dead:,}, "
        "crashes 0, wrong rows 0, seed 7"
    )


def test_there_are_real_records_of_every_version_of_every_type() -> None:
    assert seeds.records().keys() == BY_SCHEMA_ID.keys()
    assert sorted(each for topic in TOPICS for each in seeds.schemas_of(topic)) == sorted(BY_SCHEMA_ID)


@pytest.mark.parametrize("mutation", mutants.ANY, ids=lambda each: each.__name__)
def test_every_mutation_is_reproducible_and_changes_something(mutation: mutants.Mutation) -> None:
    raw = seeds.records()[301][0]
    spoilt = [mutation(Random(n), raw) for n in range(20)]
    assert spoilt == [mutation(Random(n), raw) for n in range(20)]
    assert any(each != raw for each in spoilt)


def test_a_batch_is_reproducible() -> None:
    assert [batches.batch(Random(n)) for n in range(50)] == [batches.batch(Random(n)) for n in range(50)]


def test_whatever_is_decoded_goes_into_the_tables_and_comes_out(clean: Database) -> None:
    """A row that the driver or a table can't hold would stop the worker at this record for good."""
    for number in range(60):
        made = batches.batch(Random(f"tables {number}"))
        put(clean, codec.decode_batch(made.topic, made.records, made.arrived), made.topic)
    for event in EVENTS.values():
        put(clean, codec.decode_batch(event.topic, edges(event), [seeds.ARRIVED] * len(edges(event))), event.topic)
    for table in BASES:
        assert clean.rows(f"SELECT * FROM {table}")


def put(database: Database, decoded: Decoded, topic: str) -> None:
    if topic in PROJECTIONS:  # the answers that the system publishes are decoded by others only
        insert(database, topic, decoded.frames, new_run())


def edges(event: EventType) -> list[bytes]:
    """An example with the least and the most that the rules allow, number by number."""
    good = codec.decode(seeds.records()[event.newest.schema_id][0], event.topic).values
    fields = [(name, edge) for name, (low, high, _) in rules.NUMBERS.items() if name in good for edge in (low, high)]
    kinds = {name: float if isinstance(good[name], float) else int for name, _ in fields}
    return [codec.encode(event.name, {**good, name: kinds[name](edge)}) for name, edge in fields]


def swapped(decoded: Decoded) -> Decoded:
    """The ids of two rows in each other's place."""
    frame = decoded.frames["Activated"]
    return Decoded({"Activated": frame.with_columns(pl.col("event_id").reverse())}, decoded.refused)


def lost(decoded: Decoded) -> Decoded:
    return Decoded({"Activated": decoded.frames["Activated"].head(1)}, decoded.refused)


def doubled(decoded: Decoded) -> Decoded:
    frame = decoded.frames["Activated"]
    return Decoded({"Activated": pl.concat([frame, frame.head(1)])}, decoded.refused)


def let_in(decoded: Decoded) -> Decoded:
    return Decoded(decoded.frames, [])


def turned_away(decoded: Decoded) -> Decoded:
    return Decoded(lost(decoded).frames, [Refused(0, "no reason"), *decoded.refused])


def refused_twice(decoded: Decoded) -> Decoded:
    return Decoded(decoded.frames, decoded.refused * 2)


def without_reason(decoded: Decoded) -> Decoded:
    return Decoded(decoded.frames, [Refused(each.index, "") for each in decoded.refused])


def of_other_type(decoded: Decoded) -> Decoded:
    frame = decoded.frames["Activated"].with_columns(pl.col("occurred_at").cast(pl.Float64))
    return Decoded({"Activated": frame}, decoded.refused)


def of_one_more_value(decoded: Decoded) -> Decoded:
    frame = decoded.frames["Activated"].with_columns(pl.lit("male").alias("sex"))
    return Decoded({"Activated": frame}, decoded.refused)


@pytest.mark.parametrize(
    "spoil",
    [
        swapped,
        lost,
        doubled,
        let_in,
        turned_away,
        refused_twice,
        without_reason,
        of_other_type,
        of_one_more_value,
    ],
)
def test_the_judge_sees_what_is_wrong(spoil: Callable[[Decoded], Decoded]) -> None:
    good = seeds.records()[114][:2]
    made = Batch(ACTIVATION, [*good, good[0][:-1]], [seeds.ARRIVED] * 3, {2})
    expected = [judge.reference(raw, made.topic, seeds.ARRIVED) for raw in made.records]
    decoded = codec.decode_batch(made.topic, made.records, made.arrived)
    assert list(judge.faults(made.records, expected, decoded)) == []
    assert list(judge.faults(made.records, expected, spoil(decoded))) != []
