"""Facts in memory are what the tables say: random facts asked in both ways, on the real engine; and never too old."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.shared import Shared
from events import regions
from events.catalogue import HEARTBEAT, REFERENCE
from projections import facts
from projections.answers import BY_NOW, EARLIEST_DAY, Denominator, Reference, Target
from projections.base import EPOCH
from projections.clickhouse import Database
from tests.test_api_live import Counted
from tests.test_api_world import OPTIONS, denominator, load, report, stand, target

SQL = Path(__file__).parent / "sql"
# Regions above, below and beside each other, one without a neighbour.
REGIONS = (0, 61, 6101, 610101, 6101012001, 6101012002, 610102, 6172, 3201)
ROUNDS = 12
FACTS = 60
QUESTIONS = 60
# Few days and times, so that facts share them and questions meet their borders.
DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in (-20_000, 0, 1, 2, 40, 366)]
RECORDED_MS = [1_700_000_000_000 + n for n in (0, 1, 2, 86_400_000)]


# The oracle: the tables asked for some regions, a day and a time, as every answer did before.


def reference_by_sql(database: Database, codes: Sequence[int], as_of: dt.date, known_ms: int) -> Reference:
    found = Reference()
    params = {"regions": tuple(codes), "as_of": max(as_of, EARLIEST_DAY), "known_ms": known_ms}
    for row in database.rows((SQL / "reference_at.sql").read_text(), params):
        if row["kind"] == "target":
            since, until = row["since"], row["until"]
            found.targets[row["region"]] = Target(
                row["region"], row["basis"], row["amount"], since, until, row["origin"]
            )
        else:
            value, vintage = (round(row["amount"]), row["since"]) if row["holds"] else (None, None)
            found.denominators[row["region"], row["basis"], bool(row["estimated"])] = Denominator(
                value, vintage, row["first"], row["origin"], row["method"]
            )
    return found


def heard_by_sql(database: Database, region: int, known_ms: int) -> bool:
    params = {"region": region, "chain": tuple(regions.ancestors_of(region)), "known_ms": known_ms}
    spoken_for = {row["region"] for row in database.rows((SQL / "sources_around.sql").read_text(), params)}
    within = any(region in regions.ancestors_of(each) for each in spoken_for)
    return within or not spoken_for.isdisjoint(regions.ancestors_of(region))


def at(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC)


def some_denominators(chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "event_id": chance.randbytes(16),
            "recorded_at": at(chance.choice(RECORDED_MS)),
            "source": "office",
            "region": chance.choice(REGIONS),
            "basis": chance.choice(("recorded", "population")),
            "vintage": chance.choice(DAYS),
            "value": chance.randint(1, 300_000_000),
            "origin": f"release {number}",
            "method": chance.choice(("", "", "guessed", "scaled")),
        }
        for number in range(FACTS)
    ]


def some_targets(chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "event_id": chance.randbytes(16),
            "recorded_at": at(chance.choice(RECORDED_MS)),
            "source": "office",
            "region": chance.choice(REGIONS),
            "basis": chance.choice(("recorded", "population")),
            "ratio": chance.randint(1, 100) / 100,
            "valid_from": chance.choice(DAYS),
            "valid_to": chance.choice((None, *DAYS)),
            "origin": f"target {number}",
        }
        for number in range(FACTS)
    ]


def some_reports(chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "source": "office",
            "region": chance.choice(REGIONS),
            "occurred_at": at(chance.choice(RECORDED_MS)),
            "event_id": chance.randbytes(16),
            "events_sent": 0,
            "complete_until": at(0),
        }
        for _ in range(chance.randint(0, 3))
    ]


def insert(database: Database, table: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        database.insert(table, {name: [row[name] for row in rows] for name in rows[0]})


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_memory_and_tables_agree(clean: Database, seed: int) -> None:
    chance = random.Random(seed)
    for half in range(2):  # in two inserts: the second one's facts lie between those of the first
        insert(clean, "denominator", some_denominators(chance)[half::2])
        insert(clean, "target", some_targets(chance)[half::2])
        insert(clean, "source_report", some_reports(chance))
    references, sources = facts.references(clean), facts.sources(clean)
    for _ in range(QUESTIONS):
        codes = chance.sample(REGIONS, chance.randint(1, len(REGIONS)))
        as_of = chance.choice(DAYS) + dt.timedelta(days=chance.randint(-1, 1))
        known_ms = chance.choice((BY_NOW, *RECORDED_MS)) + chance.randint(-1, 0)
        assert references.on(codes, as_of, known_ms) == reference_by_sql(clean, codes, as_of, known_ms)
        above = sorted({each for code in codes for each in regions.ancestors_of(code)})
        about = references.about(codes, as_of, known_ms)
        assert about.denominators == references.on(codes, as_of, known_ms).denominators
        assert about.targets == reference_by_sql(clean, above, as_of, known_ms).targets
        assert sources.heard(codes[0], known_ms) == heard_by_sql(clean, codes[0], known_ms)


def test_days_before_all_days_of_the_tables(clean: Database) -> None:
    row = {**some_denominators(random.Random(1))[0], "region": 6101, "vintage": EARLIEST_DAY}
    insert(clean, "denominator", [row])
    for day in (dt.date.min, EARLIEST_DAY, EPOCH):
        found = facts.references(clean).on([6101], day)
        assert found == reference_by_sql(clean, [6101], day, BY_NOW)
        assert [each.value for each in found.denominators.values()] == [row["value"]]


# Never older than the position that an answer states.


def recorded(client: TestClient) -> int | None:
    answer = client.get("/v1/coverage/61.01", params={"as_of": "2024-07-01", "basis": "recorded"}).json()
    return answer["denominator"]["value"] if answer["denominator"] else None


@pytest.fixture
def unmerged(clean: Database) -> Iterator[Database]:
    """Without merges, which change what a table consists of: then it is read again, though it holds the same."""
    clean.run("SYSTEM STOP MERGES denominator")
    yield clean
    clean.run("SYSTEM START MERGES denominator")


def of_facts(counted: Counted) -> int:
    """How often denominators were read."""
    return sum("FROM denominator" in each for each in counted.asked)


def test_facts_are_read_when_the_answers_have_moved_on_and_not_otherwise(unmerged: Database) -> None:
    counted = Counted(unmerged)
    client = TestClient(create_app(counted, OPTIONS))
    assert recorded(client) is recorded(client) is None
    assert of_facts(counted) == 1
    load(unmerged, [denominator("61.01", "recorded", "2024-06-30", 100)])
    stand(unmerged, REFERENCE, 1, 1)
    assert recorded(client) == recorded(client) == 100
    assert of_facts(counted) == 2
    stand(unmerged, HEARTBEAT, 1, 1)
    assert recorded(client) == 100
    assert of_facts(counted) == 2
    stand(unmerged, REFERENCE, 2, 2)
    assert recorded(client) == recorded(client) == 100
    assert of_facts(counted) == 3


@pytest.mark.parametrize(
    "mend",
    [
        "ALTER TABLE denominator UPDATE value = 120 WHERE region = 6101 SETTINGS mutations_sync = 1",
        "INSERT INTO denominator SELECT * REPLACE (120 AS value, now64(3) AS recorded_at) FROM denominator",
    ],
)
def test_mended_tables_are_read_again_though_no_position_moved(clean: Database, mend: str) -> None:
    load(clean, [denominator("61.01", "recorded", "2024-06-30", 100)])
    stand(clean, REFERENCE, 1, 1)
    client = TestClient(create_app(clean, OPTIONS))
    assert recorded(client) == 100
    clean.run(mend)
    assert recorded(client) == 120


def test_exchanged_tables_are_read_again(clean: Database) -> None:
    client = TestClient(create_app(clean, OPTIONS))
    clean.run("CREATE TABLE denominator_new AS denominator")
    try:
        load(clean, [denominator("61.01", "recorded", "2024-06-30", 100)])
        assert recorded(client) == 100
        clean.run("INSERT INTO denominator_new SELECT * REPLACE (120 AS value) FROM denominator")
        clean.run("EXCHANGE TABLES denominator AND denominator_new")
        assert recorded(client) == 120
    finally:
        clean.run("DROP TABLE denominator_new")


def test_a_source_is_heard_at_once(clean: Database) -> None:
    client = TestClient(create_app(clean, OPTIONS))
    assert client.get("/v1/coverage/61.01.01").json()["numerator"] is None
    load(clean, [report("dukcapil-61.01", "61.01")])
    stand(clean, HEARTBEAT, 1, 1)
    assert client.get("/v1/coverage/61.01.01").json()["numerator"]["value"] == 0
    assert client.get("/v1/coverage/61.01.01?known_at=2024-01-01").json()["numerator"] is None


def test_a_shared_place_may_be_older_than_the_numbers_and_never_newer(clean: Database) -> None:
    counted = Counted(clean)
    client = TestClient(create_app(counted, replace(OPTIONS, share_seconds=3600)))
    load(clean, [denominator("61.01", "recorded", "2024-06-30", 100), target("61.01", "recorded", 0.5, "2024-01-01")])
    stand(clean, REFERENCE, 2, 2)
    assert recorded(client) == 100
    load(clean, [denominator("61.01", "recorded", "2024-06-30", 120, recorded_at="2026-06-01T00:00:00Z")])
    stand(clean, REFERENCE, 3, 3)
    answer = client.get("/v1/coverage/61.01").json()
    assert answer["data"]["position"] == {REFERENCE: {"0": 2}}
    assert answer["denominator"]["value"] == 100
    assert sum("FROM position" in each for each in counted.asked) == 1


def test_no_answer_is_older_than_the_position_it_states(clean: Database) -> None:
    """Releases one after the other, each before its position is noted, while others ask."""
    app = create_app(clean, replace(OPTIONS, share_seconds=0.02))
    releases, done = range(1, 31), threading.Event()

    def release() -> None:
        try:
            for number in releases:
                at = f"2026-06-01T00:00:{number:02}Z"
                load(clean, [denominator("61.01", "recorded", "2024-06-30", number, recorded_at=at)])
                stand(clean, REFERENCE, number, number)
        finally:
            done.set()

    def ask() -> int:
        client, asked = TestClient(app), 0
        while not done.is_set():
            answer = client.get("/v1/coverage/61.01", params={"basis": "recorded"}).json()
            held = answer["denominator"]["value"] if answer["denominator"] else 0
            assert held >= answer["data"]["position"].get(REFERENCE, {}).get("0", 0)
            asked += 1
        return asked

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(ask) for _ in range(3)]
        threads.submit(release).result(60)
        assert all(each.result(60) for each in asking)


def test_a_look_is_shared_for_a_while_however_it_ends() -> None:
    clock, seen = [0.0], 0

    def look() -> int:
        nonlocal seen
        seen += 1
        if seen == 2:
            raise ValueError("away")
        return seen

    shared = Shared(look, 0.1, lambda: clock[0])
    assert [shared.get(), shared.get()] == [1, 1]
    clock[0] = 0.1
    for _ in range(2):
        with pytest.raises(ValueError, match="away"):
            shared.get()
    clock[0] = 0.2
    assert [shared.get(), shared.get(), seen] == [3, 3, 3]


@pytest.mark.parametrize("later", [False, True])
def test_who_comes_while_one_looks_has_that_look_and_who_comes_later_is_not_held_up(later: bool) -> None:
    clock, looking, go, looks = [0.0], threading.Event(), threading.Event(), iter(range(2))

    def look() -> int:
        number = next(looks)
        looking.set()
        assert number or go.wait(20)
        return number

    shared = Shared(look, 0.1, lambda: clock[0])
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(shared.get)
        assert looking.wait(20)
        clock[0] = 0.1 if later else 0.0
        second = threads.submit(shared.get)
        if later:
            assert second.result(20) == 1
        go.set()
        assert (first.result(20), second.result(20)) == (0, int(later))
