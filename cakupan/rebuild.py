"""New tables from the whole log beside the present ones, compared with them, and put in their place.

The new ones are built in a database of their own, by the code of the worker's path, from offset 0. The present ones go
on answering, and nothing is sent anywhere. Where it stands is noted in the new database after each recompute, so that
it can be stopped at any time and goes on from there. The switch exchanges table by table, each in one step; what
arrived meanwhile is then taken in once more, which changes nothing where it was there already.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from events import codec
from events.errors import ContractError, PublishError
from projections import activation, catalogue, position, sql
from projections.clickhouse import Database
from projections.migrate import MigrationChanged, migrate

# The tables of each projection, in the order in which one is computed from the other.
PROJECTIONS: dict[str, tuple[str, ...]] = {
    "base": ("activation_event", "activity"),
    "coverage": ("person_day", "coverage_day"),
    "rates": ("rate_minute",),
    "service": ("service_day",),
    "outreach": ("outreach_event",),
    "reference": ("denominator", "target", "figure"),
    "heartbeat": ("source_report",),
}

# What a row of each table is about: a difference is named by it.
PLACES: dict[str, str] = {
    "activation_event": "domicile, toDate(occurred_at, 'Asia/Jakarta')",
    "activity": "service_region, day",
    "person_day": "village, day",
    "coverage_day": "region, day",
    "rate_minute": "region, minute",
    "service_day": "region, day",
    "outreach_event": "service_region, toDate(occurred_at, 'Asia/Jakarta')",
    "denominator": "region, vintage",
    "target": "region, valid_from",
    "figure": "region, reported_on",
    "source_report": "region, toDate(occurred_at, 'Asia/Jakarta')",
}

PART_DIGESTS = """
SELECT toString(cityHash64({key}) %% 1024) AS key, count() AS rows, groupBitXor(cityHash64(*)) AS digest
FROM {table} FINAL GROUP BY key
"""
KEY_DIGESTS = """
SELECT concatWithSeparator(' ', {key}) AS key, count() AS rows, groupBitXor(cityHash64(*)) AS digest
FROM {table} FINAL WHERE cityHash64({key}) %% 1024 = %(part)s GROUP BY key
"""

BATCH_RECORDS = 20_000
RECOMPUTE_RECORDS = 200_000  # a recompute for so many records, and the place noted: what a stop loses at most
ROUNDS = 5  # a live system moves on while it is compared

Place = tuple[str, int]  # topic, partition
OnProgress = Callable[[int, int], None]


class CannotRebuild(ContractError):
    """What was asked for is no projection, or what was begun belongs to other migrations."""


@dataclass(frozen=True)
class TableDifference:
    """Rows of a table that differ between the present one and the new one, counted, with the first key."""

    table: str
    present: int
    new: int
    differing: int
    first: str


@dataclass
class Outcome:
    """What came of it. `records` were read in this run; `refused` of them could not be taken in."""

    records: int = 0
    refused: int = 0
    resumed_from: int = 0
    differences: list[TableDifference] = field(default_factory=list)
    switched: tuple[str, ...] = ()


def tables_of(projection: str | None) -> tuple[str, ...]:
    """The tables to put in place; all for None. Raises CannotRebuild."""
    if projection is None:
        return tuple(table for tables in PROJECTIONS.values() for table in tables)
    if projection not in PROJECTIONS:
        raise CannotRebuild(f"PROJECTION: must be one of {', '.join(PROJECTIONS)}")
    return PROJECTIONS[projection]


class Rebuild:
    """A rebuild of one database. Methods raise PublishError, DatabaseError, CannotRebuild."""

    def __init__(self, bootstrap: str, present: Database, new: Database, new_name: str) -> None:
        self.bootstrap = bootstrap
        self.present = present
        self.new = new
        self.new_name = new_name
        self.outcome = Outcome()
        self._at: dict[Place, int] = {}

    def prepare(self, fresh: bool) -> None:
        """Make the new database, or go on with one that was begun."""
        if fresh:
            self.drop()
        self.present.run(f"CREATE DATABASE IF NOT EXISTS {self.new_name}")
        try:
            migrate(self.new)
        except MigrationChanged as error:
            raise CannotRebuild(f"what was begun in {self.new_name} is of other migrations; use --fresh") from error
        # The same hashes for erased people, or nothing could be compared.
        self.new.run("TRUNCATE TABLE erasure_key")
        self.present.run(f"INSERT INTO {self.new_name}.erasure_key SELECT * FROM erasure_key")  # noqa: S608
        self._at = {(row["topic"], row["partition"]): row["position"] for row in self.new.rows(sql.query("positions"))}
        self.outcome.resumed_from = sum(self._at.values())

    def catch_up(self, on_progress: OnProgress) -> None:
        """Take the log in up to its present end, from where the new tables stand."""
        self._read(self.new, self._at, on_progress, note=True)

    def compare(self, tables: Sequence[str]) -> list[TableDifference]:
        """What differs at rest: while events come in, what is new is taken in first and looked at again."""
        for _ in range(ROUNDS):
            found = [each for table in tables if (each := self._compare_table(table)) is not None]
            before = dict(self._at)
            self.catch_up(lambda *_: None)
            if not found or before == self._at:
                break
        self.outcome.differences = found
        return found

    def switch(self, tables: Sequence[str]) -> None:
        """Put the new tables in place and take in what arrived meanwhile. The old ones are then beside them."""
        for table in tables:
            self.present.run(f"EXCHANGE TABLES {table} AND {self.new_name}.{table}")
        self._read(self.present, dict(self._at), lambda *_: None, note=False)
        self.outcome.switched = tuple(tables)

    def drop(self) -> None:
        """Remove the other database, whatever is in it."""
        self.present.run(f"DROP DATABASE IF EXISTS {self.new_name}")

    def _compare_table(self, table: str) -> TableDifference | None:
        """By digests of many rows first, then row by row only where those differ: memory stays bounded."""
        parts = [_digests(database, PART_DIGESTS, table, 0) for database in (self.present, self.new)]
        keys: list[str] = []
        for part in _differing(*parts):
            keys += _differing(*(_digests(each, KEY_DIGESTS, table, int(part)) for each in (self.present, self.new)))
        if not keys:
            return None
        present, new = (sum(rows for rows, _ in each.values()) for each in parts)
        return TableDifference(table, present, new, len(keys), min(keys))

    def _read(self, database: Database, at: dict[Place, int], on_progress: OnProgress, note: bool) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "cakupan-rebuild",  # never joined, never committed
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "fetch.queue.backoff.ms": 10,
                "log_level": 0,
            }
        )
        try:
            ends = _ends(consumer)
            total, done = sum(ends.values()), sum(min(at.get(place, 0), end) for place, end in ends.items())
            run, touched = catalogue.new_run(), 0
            for topic, messages in _batches(consumer, at, ends):
                touched += self._insert(database, topic, messages, run)
                done += len(messages)
                on_progress(done, total)
                if touched >= RECOMPUTE_RECORDS:
                    self._recompute(database, run, at, ends, note)
                    run, touched = catalogue.new_run(), 0
            self._recompute(database, run, at, ends, note)
        except KafkaException as error:
            said = error.args[0].str()
            raise PublishError(
                f"Kafka at {self.bootstrap} (CAKUPAN_KAFKA_BOOTSTRAP) does not answer: {said}"
            ) from error
        finally:
            consumer.close()

    def _insert(self, database: Database, topic: str, messages: Sequence[Any], run: int) -> int:
        values = [each.value() for each in messages]
        decoded = codec.decode_batch(topic, values, [each.timestamp()[1] for each in messages])
        catalogue.insert(database, topic, decoded.frames, run)
        self.outcome.records += len(messages)
        self.outcome.refused += len(decoded.refused)
        return len(messages)

    def _recompute(
        self, database: Database, run: int, at: dict[Place, int], ends: dict[Place, int], note: bool
    ) -> None:
        activation.recompute(database, run)
        if note:
            now = dt.datetime.now(dt.UTC)
            rows = [position.Row(*place, offset, ends.get(place, offset), now, now) for place, offset in at.items()]
            if rows:
                position.write(database, rows)


def _ends(consumer: Consumer) -> dict[Place, int]:
    ends = {}
    for topic in catalogue.PROJECTIONS:
        for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            _, ends[topic, partition] = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    return ends


def _batches(consumer: Consumer, at: dict[Place, int], ends: dict[Place, int]) -> Iterator[tuple[str, list[Any]]]:
    """Messages by topic, up to the ends; `at` moves along, past what was yielded before."""
    waiting = {place for place, end in ends.items() if at.get(place, 0) < end}
    consumer.assign([TopicPartition(*place, at.get(place, 0)) for place in waiting])
    while waiting:
        by_topic: dict[str, list[Any]] = defaultdict(list)
        reached: dict[Place, int] = {}
        for message in consumer.consume(BATCH_RECORDS, timeout=0.5):
            if message.error() is not None:
                raise KafkaException(message.error())
            place = message.topic(), message.partition()
            if message.offset() < ends[place]:
                by_topic[message.topic()].append(message)
                reached[place] = message.offset() + 1
            if message.offset() + 1 >= ends[place]:
                waiting.discard(place)
        yield from by_topic.items()
        at.update(reached)


def _digests(database: Database, statement: str, table: str, part: int) -> dict[str, tuple[int, int]]:
    text = statement.format(table=table, key=PLACES[table])  # names are ours, from PLACES
    return {row["key"]: (row["rows"], row["digest"]) for row in database.rows(text, {"part": part})}


def _differing(present: dict[str, tuple[int, int]], new: dict[str, tuple[int, int]]) -> list[str]:
    return sorted(key for key in present.keys() | new.keys() if present.get(key) != new.get(key))
