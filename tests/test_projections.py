"""The tables are a function of the set of events: any order, any number of times, cut anyhow, the same rows."""

from __future__ import annotations

import datetime as dt
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.rebuild import tables_of
from events import codec, identity
from events.catalogue import ACTIVATION, ALERT, EVENTS, HEARTBEAT, OUTREACH, REFERENCE, examples, schema
from events.codec import Event
from events.jsonform import values_of_version
from projections import activation, catalogue, native, pseudonyms, sql, whole
from projections.catalogue import PROJECTIONS
from projections.clickhouse import LEISURE, Database
from projections.errors import QueryFailed, Unavailable
from projections.known import Known, since
from projections.migrate import MigrationChanged, migrate
from tests.conftest import empty
from tests.support import copy_migrated

VILLAGES = (6101012001, 6101012002, 6101022001, 6172021001, 3201011001)
DAY_MS = 86_400_000
# Noon in Indonesia of the first of some days, lately, because minutes are kept up for the last days only; and when the
# records arrive, after whatever an office's clock said.
NOON = (time.time_ns() // 1_000_000 // DAY_MS - 8) * DAY_MS + 5 * 3_600_000
NOW = NOON + 30 * DAY_MS


def event(name: str, person: int, village: int, at: int, salt: int = 0) -> Event:
    base = examples(EVENTS[name], EVENTS[name].newest)[0]
    values = values_of_version(EVENTS[name], EVENTS[name].newest, base, NOW)
    changed = {
        "event_id": identity.derived_event_id(at, name, person, village, salt),
        "occurred_at": at,
        "recorded_at": at,
        "subject_id": person.to_bytes(16, "big"),
        "domicile": village,
    }
    return Event(EVENTS[name], {**values, **changed})


def take_in(
    database: Database, events: Sequence[Event], cuts: int = 1, run: int | None = None, known: Known | None = None
) -> None:
    """Insert in `cuts` batches and recompute after each, as a worker does; all in the name of a run, if it is given."""
    known = known or Known(database)
    raws = [codec.encode(each.type.name, each.values) for each in events]
    size = max(1, -(-len(raws) // cuts))
    for start in range(0, len(raws), size):
        part = raws[start : start + size]
        decoded = codec.decode_batch(ACTIVATION, part, [NOW] * len(part))
        assert decoded.refused == []
        own = catalogue.new_run()
        frames, look = known.look(decoded.frames)
        catalogue.insert(database, ACTIVATION, frames, own if run is None else run)
        if run is None:
            activation.recompute(database, own, since([look]))


def contents(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table that holds answers, as it reads."""
    tables = {
        "activation_event": "subject_id, occurred_at, event_id",
        "person_day": "village, day, subject_id",
        "coverage_day": "region, day",
        "region_minute": "region, minute, channel",
        "service_day": "region, day",
    }
    return {t: database.rows(f"SELECT * FROM {t} FINAL ORDER BY {order}") for t, order in tables.items()}


def oracle(events: Sequence[Event]) -> dict[tuple[int, dt.date], int]:
    """Active people by region and day: a dictionary per person, in the plainest words."""
    people: dict[bytes, dict[bytes, Event]] = defaultdict(dict)
    for each in events:
        people[each.values["subject_id"]][each.values["event_id"]] = each
    changes: dict[tuple[int, dt.date], int] = defaultdict(int)
    for logged in people.values():
        active, home = False, None
        for each in sorted(logged.values(), key=lambda e: (e.values["occurred_at"], e.values["event_id"])):
            before: int | None = home if active else None
            name, village = each.type.name, each.values["domicile"]
            if name == "Activated":
                active, home = True, village
            if name == "Deactivated":
                active = False
            if name == "SubjectArrived":
                home = village
            if name == "SubjectDeparted" and home == village:
                home = None
            after = home if active else None
            at = dt.datetime.fromtimestamp(each.values["occurred_at"] / 1000, dt.timezone(dt.timedelta(hours=7)))
            for place, step in ((before, -1), (after, 1)):
                if place is not None:
                    for region in (place, place // 10**4, place // 10**6, place // 10**8, 0):
                        changes[region, at.date()] += step
    return {key: step for key, step in changes.items() if step}


def answers(database: Database) -> dict[tuple[int, dt.date], int]:
    rows = database.rows("SELECT region, day, active_change FROM coverage_day FINAL WHERE active_change != 0")
    return {(row["region"], row["day"]): row["active_change"] for row in rows}


KINDS = ("Activated", "Deactivated", "SubjectArrived", "SubjectDeparted", "ActivationRegistered", "SubjectErased")
logs = st.lists(
    st.builds(
        event,
        st.sampled_from(KINDS),
        st.integers(1, 3),
        st.sampled_from(VILLAGES),
        # Few moments, so that two events share a millisecond and days have borders (17:00 UTC is midnight in WIB).
        st.sampled_from([NOON + d * DAY_MS + m for d in (0, 1, 5) for m in (0, 1, 9 * 3_600_000)]),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=logs, seed=st.integers(0, 1000))
def test_any_order_any_number_of_times_gives_the_same_rows(database: Database, log: list[Event], seed: int) -> None:
    empty(database)
    take_in(database, log)
    first = contents(database)
    assert answers(database) == oracle(log)
    shuffled = [*log, *random.Random(seed).sample(log, len(log) // 2)]
    random.Random(seed).shuffle(shuffled)
    empty(database)
    take_in(database, shuffled, cuts=random.Random(seed).randint(2, 5))
    assert contents(database) == first
    take_in(database, log[::-1], cuts=2)
    assert contents(database) == first


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=logs, seed=st.integers(0, 1000), piece=st.sampled_from((1, 4, whole.CHUNK_EVENTS)))
def test_counted_whole_or_as_it_came_gives_the_same_rows(
    database: Database, log: list[Event], seed: int, piece: int
) -> None:
    empty(database)
    take_in(database, log, cuts=3)
    as_it_came = contents(database)
    empty(database)
    shuffled = [*log, *random.Random(seed).sample(log, len(log) // 2)]
    random.Random(seed).shuffle(shuffled)
    take_in(database, shuffled, cuts=2, run=catalogue.UNCOUNTED)
    assert all(not database.rows(f"SELECT 1 FROM {table} LIMIT 1") for table in activation.TOUCHED)
    for _ in range(2):  # as after a stop
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(whole, "CHUNK_EVENTS", piece)
            steps = list(whole.count(database))
        assert [done for done, _ in steps] == list(range(1, steps[0][1] + 1))
        assert contents(database) == as_it_came


@given(counts=st.dictionaries(st.sampled_from((0, *range(11, 97))), st.integers(1, 3 * whole.CHUNK_EVENTS)))
def test_pieces_hold_every_province_once_and_no_more_than_they_may(counts: dict[int, int]) -> None:
    events = dict(sorted(counts.items()))
    pieces = [[each for each in events if first <= each <= last] for first, last in whole.together(events)]
    assert [each for piece in pieces for each in piece] == list(events)
    sums = [sum(events[each] for each in piece) for piece in pieces]
    assert all(held <= whole.CHUNK_EVENTS for held, piece in zip(sums, pieces, strict=True) if len(piece) > 1)
    assert all(held + events[after[0]] > whole.CHUNK_EVENTS for held, after in zip(sums, pieces[1:], strict=False))


@pytest.mark.parametrize(
    ("count", "start"), [(0, 0), (1, 0), (3, 0), (7, 65_530), (5, 65_535), (1, 65_536), (70_000, 0)]
)
def test_ranges_of_pseudonyms_hold_everybody_once(count: int, start: int) -> None:
    pieces = pseudonyms.cut(count, start)
    assert len(pieces) == min(count, pseudonyms.PREFIXES - start)
    assert [each for low, high in pieces for each in range(low, high + 1)] == (
        list(range(start, pseudonyms.PREFIXES)) if count else []
    )


A, B = VILLAGES[0], VILLAGES[3]


@pytest.mark.parametrize(
    ("name", "log", "active"),
    [
        ("activated twice is one person", [("Activated", A, 0), ("Activated", A, 1)], {A: 1}),
        ("a lost phone and back", [("Activated", A, 0), ("Deactivated", A, 1), ("Activated", A, 2)], {A: 1}),
        ("death", [("Activated", A, 0), ("Deactivated", A, 1)], {}),
        ("a move", [("Activated", A, 0), ("SubjectDeparted", A, 1), ("SubjectArrived", B, 2)], {B: 1}),
        ("arrived before departed", [("Activated", A, 0), ("SubjectArrived", B, 1), ("SubjectDeparted", A, 2)], {B: 1}),
        ("between two villages", [("Activated", A, 0), ("SubjectDeparted", A, 1)], {}),
        ("arrived, active later", [("SubjectArrived", B, 0), ("Activated", B, 1)], {B: 1}),
        ("activated elsewhere without a move", [("Activated", A, 0), ("Activated", B, 1)], {B: 1}),
        ("dead on the road", [("Activated", A, 0), ("SubjectDeparted", A, 1), ("Deactivated", A, 2)], {}),
        ("there and back", [("Activated", A, 0), ("SubjectArrived", B, 1), ("SubjectArrived", A, 2)], {A: 1}),
        ("deactivated from afar", [("Activated", A, 0), ("SubjectArrived", B, 1), ("Deactivated", A, 2)], {}),
        ("erased stays counted", [("Activated", A, 0), ("SubjectErased", A, 1)], {A: 1}),
    ],
)
def test_who_counts_where(clean: Database, name: str, log: list[tuple[str, int, int]], active: dict[int, int]) -> None:
    events = [event(kind, 1, village, NOON + day * DAY_MS) for kind, village, day in log]
    take_in(clean, events[::-1], cuts=len(events))
    rows = clean.rows(
        "SELECT region, sum(active_change) AS active FROM coverage_day FINAL WHERE region > 1000000 GROUP BY region"
    )
    assert {row["region"]: row["active"] for row in rows if row["active"]} == active
    assert answers(clean) == oracle(events)


def test_parts_of_a_change_add_up(clean: Database) -> None:
    take_in(
        clean, [event(k, p, v, NOON + d * DAY_MS) for d, k in enumerate(KINDS[:4]) for p in (1, 2) for v in VILLAGES]
    )
    rows = clean.rows("SELECT * FROM coverage_day FINAL")
    assert rows
    for row in rows:
        parts = row["activated"] - row["deactivated"] + row["moved_in"] - row["moved_out"]
        assert row["active_change"] == parts


def test_of_two_contents_under_one_id_the_one_recorded_last_holds(clean: Database) -> None:
    first = event("Activated", 1, A, NOON)
    second = Event(first.type, {**first.values, "recorded_at": NOON + 5, "sex": "male"})
    for order in ([first, second], [second, first]):
        empty(clean)
        take_in(clean, order, cuts=2)
        assert [row["sex"] for row in clean.rows("SELECT sex FROM activation_event FINAL")] == ["male"]


def test_nothing_a_run_touched_is_left(clean: Database) -> None:
    take_in(clean, [event("Activated", 1, A, NOON)])
    for table in activation.TOUCHED:
        assert clean.rows(f"SELECT * FROM {table}") == []


def test_what_a_crashed_run_left_is_dropped(clean: Database) -> None:
    raw = codec.encode("Activated", event("Activated", 1, A, NOON).values)
    catalogue.insert(clean, ACTIVATION, codec.decode_batch(ACTIVATION, [raw], [NOW]).frames, catalogue.new_run(7200))
    young = catalogue.new_run()
    catalogue.insert(clean, ACTIVATION, codec.decode_batch(ACTIVATION, [raw], [NOW]).frames, young)
    activation.forget_older(clean, catalogue.new_run(3600))
    assert [row["run"] for row in clean.rows("SELECT run FROM touched_person")] == [young]


def example_records(topic: str) -> list[bytes]:
    """Every example of every version of the topic's events, as records."""
    return [
        codec.encode(each.name, values_of_version(each, version, given_, NOW), version)
        for each in EVENTS.values()
        if each.topic == topic
        for version in each.versions
        for given_ in examples(each, version)
    ]


@pytest.mark.parametrize("topic", [ACTIVATION, OUTREACH, REFERENCE, HEARTBEAT, ALERT])
def test_every_example_is_written_with_every_column(clean: Database, topic: str) -> None:
    raws = example_records(topic)
    decoded = codec.decode_batch(topic, raws, [NOW] * len(raws))
    for _ in range(2):
        catalogue.insert(clean, topic, decoded.frames, catalogue.new_run())
    names = {"activation_in": "activation_event"}
    found = sum(
        len(clean.rows(f"SELECT * FROM {names.get(table.name, table.name)} FINAL")) for table in PROJECTIONS[topic]
    )
    assert found == len(raws)


def test_declared_and_live_schema_differ_by_nothing(database: Database) -> None:
    for tables in PROJECTIONS.values():
        for table in tables:
            live = {row["name"]: row["type"] for row in database.rows(f"DESCRIBE TABLE {table.name}")}
            live.pop("run", None)
            assert live == table.columns, table.name


def test_every_value_that_a_contract_allows_has_its_byte() -> None:
    """A value is refused by the contract, never by the table; and what has a byte keeps it, whatever is added."""
    allowed: dict[str, set[str]] = defaultdict(set)
    for version in (v for each in EVENTS.values() if each.topic == ACTIVATION for v in each.versions):
        for field in schema(version.schema_id)["fields"]:
            kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
            allowed[field["name"]] |= {s for kind in kinds if isinstance(kind, dict) for s in kind.get("symbols", ())}
    chosen = {name for name, symbols in allowed.items() if symbols}
    assert chosen | {"type"} == set(activation.CHOICES)
    assert set(activation.TYPES) == {each.name for each in EVENTS.values() if each.topic == ACTIVATION}
    for name in chosen:
        assert allowed[name] <= set(activation.CHOICES[name]), name
    frame = {"reason": pl.Series(activation.CHOICES["reason"])}
    written = native.block(pl.DataFrame(frame), {"reason": activation.COLUMNS["reason"]})
    assert written.columns["reason"][1] == bytes(range(len(activation.CHOICES["reason"])))


def test_what_was_stored_as_text_reads_the_same_as_bytes(
    clickhouse: ClickHouseNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade: the version before took the log in, erasures too, and nothing changes but the types."""
    every = sql.migrations()
    Database("127.0.0.1", clickhouse.port).run("CREATE DATABASE stored_as_text")
    database = Database("127.0.0.1", clickhouse.port, "stored_as_text")
    texts = dict.fromkeys(activation.CHOICES, "LowCardinality(String)")
    before = activation.Door("activation_in", {**activation.COLUMNS, **texts})
    parts = "SELECT countIf(startsWith(name, 'patch')) AS patches FROM system.parts WHERE database = 'stored_as_text'"
    try:
        monkeypatch.setattr(sql, "migrations", lambda: [each for each in every if each.number < 29])
        migrate(database)
        with monkeypatch.context() as patched:
            patched.setitem(PROJECTIONS, ACTIVATION, (before,))
            take_in(database, [event("Activated", person, VILLAGES[0], NOON) for person in range(1, 9)])
            take_in(database, [event("SubjectErased", 1, VILLAGES[0], NOON + DAY_MS)])
            examples_in = codec.decode_batch(ACTIVATION, raws := example_records(ACTIVATION), [NOW] * len(raws)).frames
            catalogue.insert(database, ACTIVATION, examples_in, catalogue.UNCOUNTED)
        assert database.rows(parts) != [{"patches": 0}]
        held = {table: _held(database, table) for table in ("activation_event", "activity")}
        # Those from here on that go by building anew are not put on what is stored.
        monkeypatch.setattr(sql, "migrations", lambda: list(takewhile(lambda each: not each.rebuilt, every)))
        assert "0029_choices_as_bytes" in migrate(database)
        assert {table: _held(database, table) for table in held} == held
        take_in(database, [event("SubjectErased", 2, VILLAGES[0], NOON + DAY_MS)])
        assert len(_held(database, "activation_event")) == len(held["activation_event"]) + 1
    finally:
        database.run("DROP DATABASE stored_as_text")


def _held(database: Database, table: str) -> list[dict[str, Any]]:
    return database.rows(f"SELECT * FROM {table} FINAL ORDER BY event_id")


def test_every_column_of_every_table_is_declared_or_written_by_a_query(database: Database) -> None:
    written = " ".join(sql.query(path.stem) for path in (sql.HERE / "queries").glob("*.sql"))
    for table in ("person_day", "coverage_day", "region_minute", "service_day"):
        for row in database.rows(f"DESCRIBE TABLE {table}"):
            assert row["name"] in written, (table, row["name"])


@pytest.mark.parametrize(
    ("name", "begins"),
    [("recompute_coverage_district", "SELECT"), ("recompute_coverage_above", "WITH"), ("coverage_newest", "SELECT")],
)
def test_days_of_regions_are_looked_up_in_their_month(clean: Database, name: str, begins: str) -> None:
    """By the key: of two years of a hundred villages and a hundred districts, what one month of them holds."""
    for first in (VILLAGES[0], VILLAGES[0] // 10_000):
        clean.run(
            "INSERT INTO coverage_day SELECT %(first)s + intDiv(number, 700), toDate('2024-01-01') + number %% 700,"
            " 1, 1, 0, 0, 0, 1 FROM numbers(70000)",
            {"first": first},
        )
    clean.run("OPTIMIZE TABLE coverage_day FINAL")
    (seen,) = clean.rows("SELECT max(_block_number) AS seen FROM coverage_day")
    clean.run("INSERT INTO coverage_day VALUES (%(village)s, '2025-03-04', 1, 1, 0, 0, 0, 2)", {"village": VILLAGES[0]})
    clean.run(
        "INSERT INTO touched_day (run, village, day) VALUES (7, %(village)s, '2025-03-04')", {"village": VILLAGES[0]}
    )
    statement = sql.query(name)
    read = marks(clean, "coverage_day", statement[statement.index(begins) :], {"run": 7, "most": 9, **seen})
    assert 0 < read < marks(clean, "coverage_day", "SELECT * FROM coverage_day", {}) / 10


def marks(database: Database, table: str, query: str, params: dict[str, Any]) -> int:
    """Granules of a table that a query would read, as the engine says."""
    rows = database.rows(f"EXPLAIN ESTIMATE {query}", params)
    return sum(row["marks"] for row in rows if row["table"] == table)


def test_what_grows_with_people_and_events_is_packed_alike_however_large(database: Database) -> None:
    """Left to the engine, parts of 100 MB and more would take four times as long to read."""
    growing = {*tables_of("base"), *tables_of("coverage"), *tables_of("rates"), *tables_of("service")}
    growing |= {"person_stage", "source_report"}
    packed = database.rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase()"
        " AND create_table_query LIKE '%%default_compression_codec = ''LZ4''%%'"
    )
    assert growing == {row["name"] for row in packed}


def test_migrating_again_runs_nothing(database: Database) -> None:
    assert migrate(database) == []


def test_the_copy_that_tests_use_is_what_migrations_make(clickhouse: ClickHouseNode, database: Database) -> None:
    """Migrated once and copied often: the same tables and views, the same text of each, the same rows in them."""
    database.run("CREATE DATABASE copied")
    copied = Database("127.0.0.1", clickhouse.port, "copied")
    try:
        copy_migrated(clickhouse.port, "copied")
        assert _schema(copied) == _schema(database)
        for table, columns in (("region", "code, name, level, parent"), ("migration", "number, name, digest")):
            kept = f"SELECT {columns} FROM {table} FINAL ORDER BY {columns}"
            assert copied.rows(kept) == database.rows(kept) != []
        assert migrate(copied) == []
    finally:
        database.run("DROP DATABASE copied")


def _schema(database: Database) -> dict[str, str]:
    rows = database.rows(
        "SELECT name, replaceAll(create_table_query, currentDatabase() || '.', '') AS made"
        " FROM system.tables WHERE database = currentDatabase()"
    )
    return {row["name"]: row["made"] for row in rows}


def test_an_edited_migration_is_refused(database: Database) -> None:
    database.insert("migration", {"number": [1], "name": ["region"], "digest": ["other"]})
    try:
        with pytest.raises(MigrationChanged, match=r"0001_region\.sql has run and was edited"):
            migrate(database)
    finally:
        database.run("ALTER TABLE migration DELETE WHERE digest = 'other' SETTINGS mutations_sync = 1")
    database.run("TRUNCATE TABLE migration")
    assert len(migrate(database)) == len(sql.migrations())


def test_errors_name_the_address_and_tell_later_from_never(database: Database) -> None:
    with pytest.raises(QueryFailed, match=r"ClickHouse at .* says"):
        database.rows("SELECT nothing_like_this")
    with pytest.raises(Unavailable, match=r"no ClickHouse answers at 127\.0\.0\.1:9"):
        Database("127.0.0.1", 9).ping()


def test_what_nobody_waits_for_leaves_the_processor_to_others(database: Database) -> None:
    asked = "SELECT value FROM system.settings WHERE name = 'os_threads_nice_value_query'"
    assert database.rows(asked) == [{"value": "0"}]
    assert database.at_leisure().rows(asked) == [{"value": str(LEISURE)}]
    assert database.rows(asked) == [{"value": "0"}]
    host, port = database.address.split(":")
    program = (
        "import os; from projections.clickhouse import Database; os.nice(7);"
        f'print(Database("{host}", {port}).rows("{asked}"))'
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[{'value': '7'}]"


def test_the_regions_are_all_there(database: Database) -> None:
    rows = database.rows("SELECT level, count() AS count FROM region FINAL GROUP BY level")
    counts = {row["level"]: row["count"] for row in rows}
    assert counts == {"nation": 1, "province": 38, "regency": 514, "district": 7285, "village": 83762}
