"""The recount: right where the tables are what the log says, and a row changed by hand is named by region and day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import cast

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from cakupan import verify
from cakupan.recount import Log, LogEvent
from cakupan.verify import Difference
from events import codec, jsonform
from events.catalogue import HEARTBEAT
from events.codec import Event
from events.regions import format_code
from projections import catalogue, integrity, sql, stages
from projections.clickhouse import Database
from tests.test_api_world import report
from tests.test_measure_funnel import OPTIONS, lives, stage
from tests.test_projections import DAY_MS, NOW, take_in

DAY = dt.timedelta(days=1)
JUNE = dt.datetime(2024, 6, 30, tzinfo=dt.UTC)

# The same row as it should be again, by the inverse change.
CHANGES = {
    "activated_event": ("service_region = service_region + 1", "service_region = service_region - 1"),
    "failure": ("reason = concat(reason, 'x')", "reason = substring(reason, 1, length(reason) - 1)"),
    "person_stage": ("kept = NOT kept", "kept = NOT kept"),
}

VILLAGE = {"activated_event": "domicile", "failure": "village", "person_stage": "village"}


@pytest.fixture(scope="module")
def client(database: Database) -> Iterator[TestClient]:
    with TestClient(create_app(database, OPTIONS)) as each:
        yield each


def log_of(events: Sequence[Event]) -> Log:
    return Log({each.values["event_id"]: LogEvent(each.type.name, dict(each.values)) for each in events})


def differences(log: Log, database: Database, client: TestClient) -> list[Difference]:
    return verify.compare(log, database, cast(httpx.Client, client)).differences


def change(database: Database, table: str, assignment: str, place: dict[str, object]) -> None:
    where = f"{VILLAGE[table]} = %(village)s AND day = %(day)s"
    database.run(f"ALTER TABLE {table} UPDATE {assignment} WHERE {where} SETTINGS mutations_sync = 1", place)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_the_log_says_is_right(clean: Database, client: TestClient, seed: int) -> None:
    events = lives(seed)
    take_in(clean, events)
    stage(clean)
    assert differences(log_of(events), clean, client) == []


@pytest.mark.parametrize("table", CHANGES)
def test_a_row_changed_by_hand_is_named(clean: Database, client: TestClient, table: str) -> None:
    events = lives(4)
    take_in(clean, events)
    stage(clean)
    (place,) = clean.rows(f"SELECT {VILLAGE[table]} AS village, day FROM {table} ORDER BY village, day LIMIT 1")
    changed, back = CHANGES[table]
    change(clean, table, changed, place)
    found = differences(log_of(events), clean, client)
    named = {(each.where, each.region, each.day, each.field) for each in found}
    assert named == {(table, format_code(place["village"]), place["day"].isoformat(), "content")}
    change(clean, table, back, place)
    assert differences(log_of(events), clean, client) == []
    clean.run(f"ALTER TABLE {table} DELETE WHERE {VILLAGE[table]} = {place['village']} SETTINGS mutations_sync = 1")
    lost = differences(log_of(events), clean, client)
    assert {(each.where, each.region, each.field) for each in lost} == {(table, format_code(place["village"]), "rows")}


def test_a_source_that_spoke_otherwise_is_named(clean: Database, client: TestClient) -> None:
    said = [jsonform.from_json(report("dukcapil-61.01", "61.01", at=at), NOW) for at in (JUNE, JUNE - DAY)]
    raws = [codec.encode(each.type.name, each.values) for each in said]
    catalogue.insert(clean, HEARTBEAT, codec.decode_batch(HEARTBEAT, raws, [NOW] * 2).frames, catalogue.new_run())
    stage(clean)
    assert differences(log_of(said), clean, client) == []
    integrity.remove(clean, HEARTBEAT, catalogue.new_run(), [said[0].values["event_id"]])  # as a repair does
    assert differences(log_of(said[1:]), clean, client) == []
    (found,) = differences(log_of(said), clean, client)
    assert (found.where, found.region, found.field) == ("source_stand", "61.01", "dukcapil-61.01")
    assert found.log["reported_at"] - found.found["reported_at"] == DAY_MS


@pytest.mark.parametrize("table", ["activated_event", "failure", "source_stand"])
def test_the_migration_takes_over_what_was_there(clean: Database, client: TestClient, table: str) -> None:
    events = [*lives(6), jsonform.from_json(report("dukcapil-61.01", "61.01", at=JUNE), NOW)]
    take_in(clean, events[:-1])
    raws = [codec.encode(each.type.name, each.values) for each in events[-1:]]
    catalogue.insert(clean, HEARTBEAT, codec.decode_batch(HEARTBEAT, raws, [NOW]).frames, catalogue.new_run())
    stage(clean)
    clean.run(f"TRUNCATE TABLE {table}")
    assert {each.where for each in differences(log_of(events), clean, client)} == {table}
    (migration,) = (each for each in sql.migrations() if each.name == table)
    clean.run(migration.statements[-1])
    assert differences(log_of(events), clean, client) == []


def test_people_who_are_not_staged_are_named_as_that(
    clean: Database, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "STAGED_SECONDS", 0.0)
    events = lives(5)
    take_in(clean, events)
    newest = stages.stand(clean).newest
    assert differences(log_of(events), clean, client) == [
        Difference("person_stage", None, None, "staged", f"block {newest}", "block 0")
    ]
