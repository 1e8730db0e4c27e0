"""What every competitor is told, does and answers. What they share is what their users would write by hand, tuned."""

from __future__ import annotations

import functools
import io
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import fastavro
from clickhouse_driver import Client

from events import catalogue
from projections import activation, erasure
from projections.catalogue import ERASED, new_run
from projections.clickhouse import Database

BATCH = 20_000  # rows an insert, as many as the product's worker takes at most
INSERT_SECONDS = 0.2
# As the product while behind: a recompute after so many seconds at the earliest, for this share of the time at most.
RECOMPUTE_SECONDS, RECOMPUTE_SHARE = 3.0, 0.15
WAITING = 4  # batches that are decoded and not yet inserted

# librdkafka waits a second before it asks again for a partition whose queue is full: the one setting that matters.
CONSUMER: dict[str, Any] = {"fetch.queue.backoff.ms": 10, "auto.offset.reset": "earliest", "log_level": 0}

Row = dict[str, Any]

# The door's columns, and what a type that lacks one has there.
COLUMNS = tuple(activation.COLUMNS)
ABSENT: Row = activation.ABSENT


@dataclass(frozen=True)
class Job:
    """Take `events` records from a topic into a database that has the product's tables."""

    bootstrap: str
    topic: str
    events: int
    port: int
    database: str
    folder: str

    @property
    def group(self) -> str:
        """A consumer group of its own."""
        return f"peer-{self.database}"


@dataclass
class Outcome:
    """From the first record at hand until the buckets hold the last one; seconds since 1970."""

    began: float = 0.0
    ended: float = 0.0
    packages: str = ""
    rows: int | None = None  # what it counted itself, where it did not use the database

    def begin(self) -> None:
        """A record is at hand; the first one counts."""
        self.began = self.began or time.time()

    def end(self) -> None:
        """Everything is in the buckets."""
        self.ended = time.time()


def main(work: Callable[[Job, Outcome], None], *packages: str) -> None:
    """Do the job that the command line names. `packages`: what it is made of, for the table."""
    outcome = Outcome(packages=", ".join(f"{name} {version(name)}" for name in packages))
    work(Job(**json.loads(sys.argv[1])), outcome)
    print(json.dumps(asdict(outcome)), flush=True)


def decode(raw: bytes) -> Row:
    """A framed record as a row of the door."""
    schema_id = int.from_bytes(raw[1:5], "big")
    schema, defaults = _schema(schema_id)
    return {**defaults, **fastavro.schemaless_reader(io.BytesIO(raw[5:]), schema, None)}


@functools.cache
def _schema(schema_id: int) -> tuple[Any, Row]:
    """The schema without logical types, so that times stay the integers that the driver takes, and what it lacks."""
    event, written = catalogue.BY_SCHEMA_ID[schema_id]
    schema = catalogue.schema(schema_id)
    fields = [{**each, "type": _plain(each["type"])} for each in schema["fields"]]
    defaults = {**ABSENT, **written.filled, "type": event.name}
    return fastavro.parse_schema({**schema, "fields": fields}), defaults


def _plain(kind: Any) -> Any:
    return kind["type"] if isinstance(kind, dict) and "logicalType" in kind else kind


# A door before the door: clickhouse-driver writes choices three times as fast as text as it does as bytes.
TYPES = {**activation.COLUMNS, **dict.fromkeys(activation.CHOICES, "LowCardinality(String)"), "run": "UInt64"}
DOOR = (
    f"CREATE TABLE IF NOT EXISTS text_in ({', '.join(map(' '.join, TYPES.items()))}) ENGINE = Null",
    "CREATE MATERIALIZED VIEW IF NOT EXISTS text_to_activation TO activation_in AS SELECT * FROM text_in",
)


class Tables:
    """The product's tables, by clickhouse-driver's columnar inserts, and the product's own statements behind them."""

    def __init__(self, job: Job) -> None:
        self._client = Client("127.0.0.1", job.port, job.database)
        self._database = Database("127.0.0.1", job.port, job.database)
        for statement in DOOR:
            self._database.run(statement)
        self._run = new_run()
        self.touched = False

    def insert(self, rows: Sequence[Row]) -> None:
        """Rows into the event base and what stands beside it, by the one door."""
        erased = [row["subject_id"] for row in rows if row["type"] == ERASED]
        if erased:
            erasure.begin(self._database, self._run, erased)
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        for name in ("outreach_id", "counterpart"):  # the two that a record may leave empty
            columns[name] = [ABSENT[name] if each is None else each for each in columns[name]]
        columns["run"] = [self._run] * len(rows)
        statement = f"INSERT INTO text_in ({', '.join(columns)}) VALUES"
        self._client.execute(statement, list(columns.values()), columnar=True)
        self.touched = True

    def recompute(self) -> None:
        """The buckets that the inserts since the last time touched."""
        activation.recompute(self._database, self._run)
        self._run, self.touched = new_run(), False


class Writer:
    """Inserts and recomputes in a thread of its own, so that reading goes on meanwhile."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self._due = time.monotonic() + RECOMPUTE_SECONDS
        self._done: list[Callable[[], object]] = []

    def write(self, rows: Sequence[Row], acknowledge: Callable[[], object] = lambda: None) -> None:
        """Put rows in line; waits while the line is full. `acknowledge` is called when the buckets hold them."""
        self._waiting.append(self._pool.submit(self._insert, rows, acknowledge))
        while len(self._waiting) > WAITING:
            self._waiting.popleft().result()

    def close(self) -> None:
        """Wait until the buckets hold everything."""
        self._waiting.append(self._pool.submit(self._recompute))
        while self._waiting:
            self._waiting.popleft().result()
        self._pool.shutdown()

    def _insert(self, rows: Sequence[Row], acknowledge: Callable[[], object]) -> None:
        self._tables.insert(rows)
        self._done.append(acknowledge)
        if time.monotonic() > self._due:
            self._recompute()

    def _recompute(self) -> None:
        began = time.monotonic()
        self._tables.recompute()
        ended = time.monotonic()
        self._due = ended + max(RECOMPUTE_SECONDS, (ended - began) * (1 / RECOMPUTE_SHARE - 1))
        for acknowledge in self._done:
            acknowledge()
        self._done = []
