"""Framed Avro to checked columns: the batch reader against the ways that users of the libraries have."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable, Sequence

import fastavro

from benchmarks.result import Figure, Goal, Result
from cakupan.scenario import encoded, nation
from events import codec, rules
from events.catalogue import ACTIVATION, parsed_schema

BATCH = 20_000
REACH = 400_000  # events a second, checked


def run(events: int) -> Result:
    """Decode `events` events of the nation scenario with each reader, in the same batches."""
    records = _records(events)
    readers: dict[str, Callable[[Sequence[bytes]], int]] = {
        "fastavro, record by record": _fastavro,
        "fastavro and the rules, record by record": _careful,
        "the batch reader, with every rule checked": _batch,
    }
    result = Result("decode", f"make bench NAME=decode EVENTS={events}")
    for name, read in readers.items():
        result.figures[name] = Figure(len(records) / _seconds(read, records), "events/s")
    ours = result.figures["the batch reader, with every rule checked"].value
    for name in list(readers)[:-1]:
        result.ratios[f"the batch reader to {name}"] = ours / result.figures[name].value
    result.goals["the batch reader, events/s"] = Goal(REACH, ours >= REACH)
    return result


def _records(events: int) -> list[bytes]:
    stream = (encoded(planned) for planned in nation(max(events // 5, 1), 1))
    return [value for topic, _, value in itertools.islice(stream, events * 2) if topic == ACTIVATION][:events]


def _seconds(read: Callable[[Sequence[bytes]], int], records: Sequence[bytes]) -> float:
    began = time.perf_counter()
    count = sum(read(records[start : start + BATCH]) for start in range(0, len(records), BATCH))
    assert count == len(records), (count, len(records))
    return time.perf_counter() - began


def _fastavro(records: Sequence[bytes]) -> int:
    for raw in records:
        schema_id = int.from_bytes(raw[1:5], "big")
        fastavro.schemaless_reader(io.BytesIO(raw[5:]), parsed_schema(schema_id), None)
    return len(records)


def _careful(records: Sequence[bytes]) -> int:
    now = time.time_ns() // 1_000_000
    for raw in records:
        rules.check(codec.decode(raw, ACTIVATION).values, now)
    return len(records)


def _batch(records: Sequence[bytes]) -> int:
    now = time.time_ns() // 1_000_000
    return codec.decode_batch(ACTIVATION, records, [now] * len(records)).count
