"""A nation of people in ClickHouse, made by SQL in the shape that the worker writes, and kept in the cache folder.

Every person is activated on some day of two years; some are deactivated or move later. It is one event a person and a
few more, the least that a log can hold of them: whatever reads events has less to read here than in a real nation.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil

from benchmarks.bed import free_port
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.jars import cache_folder
from cakupan.embedded.process import LOOPBACK
from cakupan.reference import reference_events
from cakupan.scenario.weights import apportion
from events import codec, regions
from events.catalogue import REFERENCE
from projections import activation, answers, catalogue, integrity, sql, stages
from projections.clickhouse import Database
from projections.migrate import migrate

FIRST = dt.date(2024, 1, 1)
DAYS = 730
LAST = FIRST + dt.timedelta(days=DAYS - 1)
MEMORY = 10 << 30  # of the engine, for all queries together
SLICE = 1_000_000  # people inserted at once: what bounds the memory of making them
LEAST_SLICES = STRETCHES = 24
SAMPLE = 2_000
DAYS_EVENTS = 430_000  # of a nation in a day; of fewer people stored, at most one each
HERE = Path(__file__).parent / "sql"
NEWEST = max(each.number for each in sql.migrations())


@dataclass(frozen=True)
class Stored:
    """People on disk: how long making them took, and what they take.

    `migration`: the last one they have seen. `logged`: whether the auditor finds them in the log.
    """

    people: int
    events: int
    seconds: float
    bytes: int
    migration: int = 0
    logged: bool = False


def stored(people: int) -> tuple[Path, Stored]:
    """The data folder of so many people, made if it is not there yet. It is to be read only: see `copied`."""
    folder = cache_folder() / "people" / str(people)
    note = folder.with_suffix(".json")
    found = Stored(**json.loads(note.read_text())) if note.exists() else None
    if found is None or any(each.rebuilt and each.number > found.migration for each in sql.migrations()):
        shutil.rmtree(folder, ignore_errors=True)  # there is no log to build it anew from
        found = _make(folder, people)
    elif found.migration != NEWEST or not found.logged:
        _renew(folder)
        found = replace(found, migration=NEWEST, logged=True)
    note.write_text(json.dumps(asdict(found)))
    return folder, found


def _renew(folder: Path) -> None:
    """Migrated, and the event base written anew: what a migration says of blocks on disk holds for new parts only."""
    with engine(folder) as (_, database):
        migrate(database)
        database.run("OPTIMIZE TABLE activation_event FINAL")
        _stage(database)
        _log(database)
        settle(database)


def _stage(database: Database) -> None:
    """As a worker would have: one that finds everybody unstaged has other things to do than what is measured."""
    for _ in stages.refresh(database):
        pass
    database.run("OPTIMIZE TABLE person_stage FINAL")


@contextlib.contextmanager
def engine(folder: Path) -> Iterator[tuple[ClickHouseNode, Database]]:
    """The engine over a data folder, while the block runs."""
    node = ClickHouseNode(folder, port=free_port(), memory=MEMORY)
    node.start()
    try:
        node.wait_ready()
        yield node, Database(LOOPBACK, node.port)
    finally:
        node.stop(60)


@contextlib.contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """A copy that may be written to, gone afterwards. It shares the tables' files: the engine never changes one.

    Those of benchmarks that were killed go as well: what they had written takes as much room as the people do.
    """
    for left in folder.parent.glob("copy-*"):
        owner = left.name.split("-")[1]
        if not (owner.isdigit() and psutil.pid_exists(int(owner))):
            shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"copy-{os.getpid()}-") as beside:
        copy = Path(beside) / "clickhouse"
        shutil.copytree(folder, copy, symlinks=True, ignore=lambda at, _: ["store"] if Path(at) == folder else [])
        shutil.copytree(folder / "store", copy / "store", symlinks=True, copy_function=os.link)
        yield copy


def _make(folder: Path, people: int) -> Stored:
    began = time.perf_counter()
    with engine(folder) as (_, database):
        migrate(database)
        _villages(database, people)
        _fill(database, max(LEAST_SLICES, -(-people // SLICE)))
        _reference(database)
        _log(database)
        database.run("OPTIMIZE TABLE activation_event FINAL")  # as the engine does with what is older than a day
        _stage(database)
        settle(database)
        check(database)
        (row,) = database.rows(
            "SELECT sum(bytes_on_disk) AS bytes, sumIf(rows, table = 'activation_event') AS events"
            " FROM system.parts WHERE active AND database = currentDatabase()"
        )
    return Stored(people, row["events"], time.perf_counter() - began, row["bytes"], NEWEST, logged=True)


def _villages(database: Database, people: int) -> None:
    codes = sorted(regions.village_numbers())
    weights = np.random.default_rng(1).lognormal(0, 0.8, len(codes))
    database.run("CREATE DATABASE people")
    database.run(
        "CREATE TABLE people.village (number UInt32, code UInt64, people UInt32) ENGINE = MergeTree ORDER BY number"
    )
    shares = apportion(people, weights.tolist())
    database.insert("people.village", {"number": list(range(len(codes))), "code": codes, "people": shares})
    database.run(text("life"))


def _fill(database: Database, slices: int) -> None:
    """Events and what follows from them, a stretch of days after the other, as they come in over the years."""
    for each in range(slices):
        run = catalogue.new_run()
        params = {"first": FIRST, "days": DAYS, "slice": each, "slices": slices, "run": run}
        database.run(text("events"), params)
        activation.forget(database, run)
        database.run(text("person_day"), params)
    ends = [FIRST + dt.timedelta(days=DAYS * each // STRETCHES) for each in range(STRETCHES + 1)]
    for begin, end in pairwise(ends):
        for name in ("coverage_day", "region_minute", "service_day"):
            database.run(text(name), {"begin": begin, "end": end})
    database.run(text("denominator"), {"first": FIRST})
    database.run(text("position"))


def _reference(database: Database) -> None:
    """The real denominators and targets, by the worker's own code."""
    records = [codec.encode(each.type.name, each.values) for each in reference_events()]
    now_ms = time.time_ns() // 1_000_000
    decoded = codec.decode_batch(REFERENCE, records, [now_ms] * len(records))
    catalogue.insert(database, REFERENCE, decoded.frames, catalogue.new_run())


def _log(database: Database) -> None:
    """As an auditor would have: one that has read nothing looks at a thousand events again and again."""
    for topic, (table, *_) in integrity.HELD.items():  # a topic's tables hold the same events
        held = sql.query(f"held_{table}").format(where="")
        database.run(text("logged").format(held=held), {"topic": topic})


def add_last_day(database: Database, end: dt.datetime, hours: int) -> None:
    """What a nation does in so many hours up to `end`, taken in and recomputed as a worker does; for a copy alone."""
    run, seconds = catalogue.new_run(), hours * 3600
    database.run(
        text("last_day"),
        {
            "events": DAYS_EVENTS * seconds // 86_400,
            "end_ms": int(end.timestamp() * 1000),
            "seconds": seconds,
            "run": run,
        },
    )
    activation.recompute(database, run)


def settle(database: Database, timeout: float = 1800) -> None:
    """Wait until the engine has merged what it merges by itself: parts are then as a running worker leaves them."""
    deadline, quiet = time.monotonic() + timeout, 0
    while quiet < 5 and time.monotonic() < deadline:
        (row,) = database.rows("SELECT count() AS merges FROM system.merges")
        quiet = 0 if row["merges"] else quiet + 1
        time.sleep(1)


def check(database: Database) -> None:
    """What was written is what the worker's own queries find in the events: of some people, and of some regions."""
    run = catalogue.new_run()
    database.run(
        "INSERT INTO touched_person (run, subject_id)"
        " SELECT %(run)s, subject_id FROM activation_event ORDER BY subject_id LIMIT %(sample)s",
        {"run": run, "sample": SAMPLE},
    )
    database.run(sql.query("recompute_person_day"), {"run": run})
    (row,) = database.rows(text("check"), {"run": run})
    assert row["found"] > SAMPLE // 2 and not row["differing"], row
    activation.forget(database, run)
    day = FIRST + dt.timedelta(days=DAYS // 2)
    for region in some_regions(5, np.random.default_rng(2)):
        if region != regions.NATION:
            assert answered(database, region, day) == counted(database, region, day), region


def answered(database: Database, region: int, day: dt.date) -> int:
    """Active people as the coverage answer has them."""
    return answers.active_people(database, [region], day).get(region, 0)


def counted(database: Database, region: int, day: dt.date) -> int:
    """The same from the events themselves, life by life."""
    return answers.active_people_known(database, region, day, answers.BY_NOW, answers.BY_NOW) or 0


def counted_plainly(database: Database, query: str, region: int, day: dt.date) -> int:
    """The answer of `sql/count_QUERY.sql`, which a dashboard over the events would ask."""
    low, high = answers.villages_of(region)
    end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time())
    (row,) = database.rows(text(f"count_{query}"), {"low": low, "high": high, "end": f"{end}"})
    return int(row["people"])


def some_regions(each_level: int, rng: np.random.Generator) -> list[int]:
    """Regions of all levels, the same number of each."""
    return [int(rng.choice(of_level(level))) for level in regions.LEVELS for _ in range(each_level)]


@functools.cache
def of_level(level: str) -> list[int]:
    """All regions of a level."""
    return [each.number for each in regions.by_number().values() if each.level == level]


def text(name: str) -> str:
    """A statement of `sql`."""
    return (HERE / f"{name}.sql").read_text()
