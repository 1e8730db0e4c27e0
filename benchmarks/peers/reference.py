"""The reference: Avro containers read by polars and inserted into ClickHouse's engine in this process.

No check of any rule, no protocol between, one copy of the rows and no buckets: how fast the same libraries are bare.
"""

from __future__ import annotations

import io
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import chdb
import polars as pl
from confluent_kafka import Consumer

from benchmarks.peers.job import ABSENT, BATCH, COLUMNS, CONSUMER, Job, Outcome, main
from events import catalogue
from projections import sql

SYNC = b"no mark of a sync"[:16]


def work(job: Job, outcome: Outcome) -> None:
    """Read and decode here, insert beside it."""
    consumer = Consumer({**CONSUMER, "bootstrap.servers": job.bootstrap, "group.id": job.group})
    consumer.subscribe([job.topic])
    engine = chdb.connect(f"{job.folder}/{job.database}-chdb")
    engine.query(_event_base())
    left = job.events
    with ThreadPoolExecutor(1) as pool:
        inserted: Future[None] = pool.submit(lambda: None)
        while left:
            messages = consumer.consume(BATCH, 0.1)
            if not messages:
                continue
            outcome.begin()
            left -= len(messages)
            frame = _frame([message.value() for message in messages])
            inserted.result()
            inserted = pool.submit(_insert, engine, frame)
        inserted.result()
    outcome.end()
    outcome.rows = int(engine.query("SELECT count() FROM activation_event FINAL", "TSV").bytes())
    consumer.close()
    engine.close()


def _event_base() -> str:
    """The product's own statement for its base."""
    statements = [statement for _, _, each in sql.migrations() for statement in each]
    return next(statement for statement in statements if statement.startswith("CREATE TABLE activation_event"))


def _frame(records: Sequence[bytes]) -> pl.DataFrame:
    """Bodies of one schema behind the header of a container are a file that polars reads at once."""
    bodies: dict[bytes, list[bytes]] = defaultdict(list)
    for record in records:
        bodies[record[1:5]].append(record[5:])
    return pl.concat([_rows(*each) for each in bodies.items()], how="vertical_relaxed")


def _rows(schema_id: bytes, bodies: Sequence[bytes]) -> pl.DataFrame:
    event, written = catalogue.BY_SCHEMA_ID[int.from_bytes(schema_id, "big")]
    frame = pl.read_avro(io.BytesIO(_container(written.schema_id, bodies)))
    absent = {**ABSENT, **written.filled, "type": event.name}
    texts = pl.col(pl.Categorical, pl.Enum).cast(pl.String)
    lacking = [pl.lit(value).alias(name) for name, value in absent.items() if name not in frame.columns]
    empty = [pl.col(name).fill_null(ABSENT[name]) for name in ("outreach_id", "counterpart") if name in frame.columns]
    return frame.with_columns(texts, *lacking, *empty).select(COLUMNS)


def _container(schema_id: int, bodies: Sequence[bytes]) -> bytes:
    schema = catalogue.schema(schema_id)
    # polars refuses defaults
    fields = [{name: each[name] for name in each if name != "default"} for each in schema["fields"]]
    meta = {b"avro.schema": json.dumps({**schema, "fields": fields}).encode(), b"avro.codec": b"null"}
    head = b"".join(_varint(len(part)) + part for item in meta.items() for part in item)
    size = sum(map(len, bodies))
    block = _varint(len(bodies)) + _varint(size)
    return b"".join([b"Obj\x01", _varint(len(meta)), head, b"\x00", SYNC, block, *bodies, SYNC])


def _varint(number: int) -> bytes:
    number <<= 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _insert(engine: Any, frame: pl.DataFrame) -> None:
    handle = os.memfd_create("frame")
    try:
        with os.fdopen(os.dup(handle), "wb") as file:
            frame.write_ipc_stream(file)
        source = f"file('/proc/self/fd/{handle}', 'ArrowStream')"
        engine.query(f"INSERT INTO activation_event SELECT * FROM {source}")  # noqa: S608 -- a number of our own
    finally:
        os.close(handle)


if __name__ == "__main__":
    main(work, "polars", "chdb-core")
