"""Live streams on a real server, and the routes that say how fresh and how well the API is."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.live import Hub, Listener, Message
from api.options import ApiOptions
from api.server import make_server
from events.catalogue import ACTIVATION, REFERENCE
from projections.clickhouse import Database
from tests.conftest import empty, free_port
from tests.test_api_world import (
    NOW,
    OPTIONS,
    VILLAGES,
    denominator,
    happened,
    load,
    report,
    seed,
    stand,
    target,
    until,
)

Json = dict[str, Any]
MINUTE = "2026-06-21T08:30:10"  # in western Indonesia, twenty seconds before NOW


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


class Counted(Database):
    """A database that counts what it is asked, and can be away."""

    def __init__(self, real: Database) -> None:
        host, port = real.address.split(":")
        super().__init__(host, int(port))
        self.away: Database | None = None
        self.asked: list[str] = []

    def rows(self, sql: str, params: Any = None) -> list[dict[str, Any]]:
        self.asked.append(sql)
        return self.away.rows(sql, params) if self.away else super().rows(sql, params)

    def stream(self, sql: str, params: Any = None) -> Iterator[tuple[Any, ...]]:
        self.asked.append(sql)
        return self.away.stream(sql, params) if self.away else super().stream(sql, params)


class Stand:
    """A real server over the real database, with its parts in reach."""

    def __init__(self, database: Database, **options: Any) -> None:
        self.clock = Clock()
        self.database = Counted(database)
        chosen = {"poll_seconds": 0.03, "heartbeat_seconds": 0.2, **options}
        self.app = create_app(self.database, ApiOptions(clock=self.clock, **chosen))
        self.port = free_port()
        self.server = make_server(self.app, "127.0.0.1", self.port)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until(lambda: self.server.started)

    @property
    def hub(self) -> Hub:
        hub: Hub = self.app.state.context.hub
        return hub

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()


class Reader:
    """A client of a live stream, in a thread: what came, and when it ended."""

    def __init__(self, url: str, code: str) -> None:
        self.messages: list[tuple[str, Json]] = []
        self.comments = 0
        self.headers: httpx.Headers = httpx.Headers()
        self.ended = threading.Event()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(f"{url}/v1/rates/{code}/live",), daemon=True)
        self._thread.start()

    def _read(self, url: str) -> None:
        event = ""
        with httpx.Client(timeout=20) as client, client.stream("GET", url) as answer:
            self.headers = answer.headers
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    event = line[7:]
                elif line.startswith("data: "):
                    self.messages.append((event, json.loads(line[6:])))
                elif line.startswith(":"):
                    self.comments += 1
                if self._leave.is_set():
                    break
        self.ended.set()

    def leave(self) -> None:
        self._leave.set()
        self._thread.join(20)
        assert self.ended.is_set()

    def activated(self) -> list[int]:
        return [body["windows"][0]["total"]["activated"] for event, body in self.messages if event == "rates"]


@pytest.fixture(scope="module", autouse=True)
def _world(database: Database) -> None:
    empty(database)
    load(database, [report("synthetic/dukcapil-61.01", "61.01", at=NOW)])


@pytest.fixture
def standing(database: Database) -> Iterator[Callable[..., Stand]]:
    made: list[Stand] = []

    def make(**options: Any) -> Stand:
        made.append(Stand(database, **options))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def test_a_source_that_falls_silent_leaves_no_data_and_not_0(standing: Callable[..., Stand]) -> None:
    stand_ = standing()
    reader = Reader(stand_.url, "61.01.08")
    until(lambda: reader.activated() == [0])
    stand_.clock.now += dt.timedelta(hours=2)
    until(lambda: len(reader.messages) == 2)
    told = reader.messages[-1][1]
    assert [each["total"] and each["total"]["events"] for each in told["windows"]] == [None, None, 0]
    silent = "no data: there are no events, and the sources for this region were silent"
    assert [each for each in told["absent"] if each["field"].startswith("windows")] == [
        {"field": f"windows.{name}.total", "reason": silent} for name in ("minute", "hour")
    ]
    reader.leave()


def test_numbers_are_pushed_when_events_and_when_the_clock_change_them(
    standing: Callable[..., Stand], database: Database
) -> None:
    stand_ = standing()
    readers = [Reader(stand_.url, code) for code in ("61.01", "61", "61.01.01.2001", "61.71")]
    until(lambda: all(each.messages for each in readers))
    assert readers[0].headers["content-type"].startswith("text/event-stream")
    assert [each.activated() for each in readers[:3]] == [[0]] * 3
    assert readers[3].messages[0][1]["windows"][0]["total"] is None

    load(database, [happened("Activated", 700_001, VILLAGES[0], MINUTE)])
    until(lambda: all(each.activated() == [0, 1] for each in readers[:3]))
    load(database, [happened("Activated", 700_002, VILLAGES[0], MINUTE)])
    until(lambda: all(each.activated() == [0, 1, 2] for each in readers[:3]))

    stand_.clock.now += dt.timedelta(minutes=1)
    until(lambda: all(each.activated() == [0, 1, 2, 0] for each in readers[:3]))
    assert readers[0].messages[-1][1]["windows"][1]["total"]["activated"] == 2
    assert len(readers[3].messages) == 1
    asked = httpx.get(f"{stand_.url}/v1/rates/61.01").json()
    pushed = readers[0].messages[-1][1]
    assert asked["windows"] == pushed["windows"]
    assert asked.keys() == pushed.keys()
    for each in readers:
        each.leave()


def test_where_the_log_has_moved_on_after_a_change_is_pushed_and_after_a_while_no_more(
    standing: Callable[..., Stand], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rates show an event before coverage does: who shows both learns when to ask for the other."""
    stand_ = standing()
    reader = Reader(stand_.url, "61.01")
    until(lambda: bool(reader.messages))
    load(database, [happened("Activated", 700_011, VILLAGES[0], MINUTE)])
    until(lambda: len(reader.messages) == 2)

    def positions() -> list[int]:
        return [body["data"]["position"].get(ACTIVATION, {}).get("3", 0) for _, body in reader.messages]

    stand(database, ACTIVATION, 70_001, 70_001, partition=3)
    until(lambda: positions()[2:] == [70_001])
    assert reader.activated()[1] == reader.activated()[2]
    monkeypatch.setattr("api.live.FOLLOW_SECONDS", 0)
    load(database, [happened("Activated", 700_012, VILLAGES[0], MINUTE)])
    until(lambda: len(reader.messages) == 4)
    stand(database, ACTIVATION, 70_002, 70_002, partition=3)
    seen = reader.comments
    until(lambda: reader.comments > seen + 3)
    assert len(reader.messages) == 4
    reader.leave()


def test_quiet_streams_are_kept_open_by_comments(standing: Callable[..., Stand]) -> None:
    reader = Reader(standing().url, "61.01")
    until(lambda: reader.comments >= 3)
    assert len(reader.messages) == 1
    reader.leave()


def test_all_who_listen_to_a_region_share_one_look(standing: Callable[..., Stand]) -> None:
    stand_ = standing(poll_seconds=0.1)
    readers = [Reader(stand_.url, "61.01") for _ in range(20)]
    until(lambda: all(each.messages for each in readers))
    assert stand_.hub.count == 20
    stand_.database.asked.clear()
    begun = time.monotonic()
    time.sleep(1)
    looks = sum("AS seconds" in each for each in stand_.database.asked)
    assert 1 <= looks <= (time.monotonic() - begun) / 0.1 + 1
    for each in readers:
        each.leave()


def test_a_reader_that_leaves_is_forgotten_and_the_last_ends_the_looking(standing: Callable[..., Stand]) -> None:
    stand_ = standing()
    readers = [Reader(stand_.url, code) for code in ("61.01", "61.01", "61")]
    until(lambda: all(each.messages for each in readers))
    readers[0].leave()
    until(lambda: stand_.hub.count == 2)
    for each in readers[1:]:
        each.leave()
    until(lambda: stand_.hub.count == 0)
    time.sleep(0.1)
    stand_.database.asked.clear()
    time.sleep(0.2)
    assert stand_.database.asked == []
    assert "cakupan_api_live_listeners 0.0" in httpx.get(f"{stand_.url}/metrics").text


def test_streams_end_soon_when_the_server_stops(standing: Callable[..., Stand]) -> None:
    stand_ = standing(heartbeat_seconds=60)
    readers = [Reader(stand_.url, code) for code in ("61.01", "0")]
    until(lambda: all(each.messages for each in readers))
    stand_.stop()
    # Ended, not cut off when the server's patience was over: a reader that is cut off raises.
    assert all(each.ended.wait(20) for each in readers)


def test_a_stream_says_when_clickhouse_goes_and_goes_on_when_it_is_back(standing: Callable[..., Stand]) -> None:
    stand_ = standing()
    reader = Reader(stand_.url, "61.01")
    until(lambda: reader.messages)
    stand_.database.away = Database("127.0.0.1", free_port())
    until(lambda: reader.messages[-1][0] == "problem")
    assert reader.messages[-1][1]["status"] == 503
    time.sleep(0.2)
    assert [event for event, _ in reader.messages] == ["rates", "problem"]
    assert httpx.get(f"{stand_.url}/v1/rates/61.01/live").status_code == 503
    stand_.database.away = None
    until(lambda: reader.messages[-1][0] == "rates")
    reader.leave()


def test_no_more_streams_than_allowed(standing: Callable[..., Stand]) -> None:
    stand_ = standing(live_listeners=1)
    reader = Reader(stand_.url, "61.01")
    until(lambda: reader.messages)
    refused = httpx.get(f"{stand_.url}/v1/rates/61/live")
    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    reader.leave()


def test_a_slow_reader_gets_the_latest_only() -> None:
    async def read() -> list[str]:
        listener = Listener()
        for n in range(1000):
            listener.push(Message("rates", n, str(n)))
        got = [await listener.next()]
        listener.push(Message("rates", 1001, "1001"))
        got.append(await listener.next())
        listener.close()
        got += [await listener.next(), await listener.next()]
        return [each.data if each else "" for each in got]

    assert asyncio.run(read()) == ["999", "1001", "", ""]


@pytest.fixture
def fresh(clean: Database) -> Iterator[tuple[TestClient, Database]]:
    """An API over empty tables."""
    with TestClient(create_app(clean, OPTIONS)) as client:
        yield client, clean


def reasons(answer: Json) -> Json:
    return {each["field"]: each["reason"] for each in answer["absent"]}


def test_an_empty_system_says_that_nothing_is_known(fresh: tuple[TestClient, Database]) -> None:
    client, _ = fresh
    answer = client.get("/v1/coverage/61.01").json()
    nothing: Json = {"position": {}, "age_seconds": None, "verified_up_to": {}, "verified_at": None, "synthetic": False}
    assert answer["data"] == nothing
    said = reasons(answer)
    assert said["data.age_seconds"] == said["data.position"] == "no worker has reported yet"
    assert said["data.verified_up_to"] == "not verified yet"
    assert answer["numerator"] is answer["coverage"] is None
    assert answer["basis"] == "recorded"
    assert said["target"] == "no target holds on 2026-06-21 for this region or one above it"
    freshness = client.get("/v1/freshness").json()
    assert (freshness["partitions"], freshness["sources"]) == ([], [])
    ranking = client.get("/v1/coverage/0/children").json()
    assert ranking["numerator"] is None
    assert [each["numerator"] for each in ranking["items"]] == [None] * 38
    assert client.get("/v1/coverage/0/series").json()["points"] == []


def test_the_position_is_the_furthest_and_the_lag_what_was_last_said(fresh: tuple[TestClient, Database]) -> None:
    client, database = fresh
    ago = [NOW - dt.timedelta(seconds=each) for each in (60, 30, 5)]
    stand(database, ACTIVATION, 50, 50, checked_at=ago[0])
    stand(database, ACTIVATION, 40, 70, checked_at=ago[2], record_at=ago[1])
    stand(database, ACTIVATION, 7, 7, partition=1, checked_at=ago[2])
    stand(database, REFERENCE, 3, 3, checked_at=ago[2])
    answer = client.get("/v1/freshness").json()
    assert answer["data"]["position"] == {ACTIVATION: {"0": 50, "1": 7}, REFERENCE: {"0": 3}}
    assert answer["data"]["age_seconds"] == 30.0
    assert [each["lag"] for each in answer["partitions"]] == [20, 0, 0]
    stand(database, ACTIVATION, 70, 70, checked_at=NOW)
    assert client.get("/v1/freshness").json()["data"]["age_seconds"] == 5.0


def test_generated_events_are_said_to_be(fresh: tuple[TestClient, Database]) -> None:
    client, database = fresh
    load(database, [happened("Activated", 1, VILLAGES[0], "2024-06-30T09:00:00")])
    assert client.get("/v1/coverage/0").json()["data"]["synthetic"] is False
    load(database, [happened("Activated", 2, VILLAGES[0], "2024-06-30T09:00:00", source="synthetic/office")])
    stand(database, ACTIVATION, 2, 2)

    def synthetic() -> bool:
        return bool(client.get("/v1/coverage/0").json()["data"]["synthetic"])

    until(synthetic)


def test_the_release_recorded_last_holds(fresh: tuple[TestClient, Database]) -> None:
    client, database = fresh
    for value, recorded in ((100, "2024-07-02"), (300, "2024-07-03"), (200, "2024-07-01")):
        load(database, [denominator("61.01", "recorded", "2024-06-30", value, recorded_at=f"{recorded}T00:00:00Z")])
    load(database, [denominator("61.01", "recorded", "2024-06-30", 999, "guessed", recorded_at="2024-08-01T00:00:00Z")])
    asked = {"as_of": "2024-07-01", "basis": "recorded"}
    for estimate in ("false", "true"):
        answer = client.get("/v1/coverage/61.01", params={**asked, "estimate": estimate}).json()
        assert answer["denominator"]["value"] == 300
    load(database, [target("61", "recorded", 0.5, "2024-01-01"), target("61", "recorded", 0.6, "2024-05-01")])
    load(
        database,
        [target("0", "recorded", 0.7, "2024-06-01"), target("61.01", "holders", 0.8, "2024-06-01", "2024-06-29")],
    )
    answer = client.get("/v1/coverage/61.01", params=asked).json()
    assert (answer["target"]["ratio"], answer["target"]["region"]) == (0.6, "61")
    earlier = client.get("/v1/coverage/61.01", params={"as_of": "2024-06-29"}).json()
    assert (earlier["target"]["ratio"], earlier["basis"]) == (0.8, "holders")


def test_ready_names_what_is_away(clean: Database) -> None:
    kafka: list[str] = []

    def probe() -> None:
        if kafka:
            raise RuntimeError(kafka[0])

    with TestClient(create_app(clean, OPTIONS, probe)) as client:
        assert client.get("/health/ready").json()["away"] == [
            {"name": "worker", "detail": "no worker has reported yet"}
        ]
        stand(clean, ACTIVATION, 1, 1)
        ready = client.get("/health/ready")
        assert (ready.status_code, [each["name"] for each in ready.json()["checks"]]) == (
            200,
            ["clickhouse", "kafka", "worker"],
        )
        kafka.append("Kafka at 127.0.0.1:19092 (CAKUPAN_KAFKA_BOOTSTRAP) does not answer\nand more")
        away = client.get("/health/ready")
        assert (away.status_code, away.headers["content-type"]) == (503, "application/problem+json")
        assert away.json()["detail"] == "Kafka at 127.0.0.1:19092 (CAKUPAN_KAFKA_BOOTSTRAP) does not answer"
        kafka.clear()
        stand(clean, REFERENCE, 1, 1, checked_at=NOW - dt.timedelta(seconds=31))
        silent = client.get("/health/ready").json()["away"]
        assert silent == [
            {
                "name": "worker",
                "detail": "no worker has reported on ikd.reference.v1 partition 0 for 31 s; 30 s are allowed",
            }
        ]


def test_metrics(clean: Database) -> None:
    stand(clean, ACTIVATION, 40, 50)
    with TestClient(create_app(clean, OPTIONS)) as client:
        client.get("/v1/coverage/61.01")
        client.get("/v1/coverage/99")
        client.get("/v1/nothing/61.01")
        text = client.get("/metrics").text
    lines = set(text.splitlines())
    assert 'cakupan_api_requests_total{method="GET",route="/v1/coverage/{code}",status="200"} 1.0' in lines
    assert 'cakupan_api_requests_total{method="GET",route="/v1/coverage/{code}",status="404"} 1.0' in lines
    assert 'cakupan_api_requests_total{method="GET",route="(unknown)",status="404"} 1.0' in lines
    assert 'cakupan_api_request_seconds_count{method="GET",route="/v1/coverage/{code}"} 2.0' in lines
    assert f'cakupan_api_position{{partition="0",topic="{ACTIVATION}"}} 40.0' in lines
    assert f'cakupan_api_lag_events{{partition="0",topic="{ACTIVATION}"}} 10.0' in lines
    assert "cakupan_api_data_age_seconds 2.0" in lines
    assert "cakupan_api_clickhouse_up 1.0" in lines


def test_an_answer_costs_two_queries(database: Database) -> None:
    """Where the answers stand and whether memory follows; a series asks for days and ends too. Looks may be shared."""
    seed(database)
    counted = Counted(database)
    client = TestClient(create_app(counted, OPTIONS))
    database.run("SYSTEM STOP MERGES")  # after a merge, what is held in memory is read again
    for path in ("/v1/coverage/61.01", "/v1/coverage/11"):
        client.get(path)
    try:
        costs(client, counted)
    finally:
        database.run("SYSTEM START MERGES")


def costs(client: TestClient, counted: Counted) -> None:
    for path, most in (
        ("/v1/coverage/61.01", 2),
        ("/v1/coverage/61", 2),
        ("/v1/coverage/11", 2),
        ("/v1/coverage/61/children", 2),
        ("/v1/coverage/61.01/children", 2),
        ("/v1/coverage/61.01/series", 4),
    ):
        counted.asked.clear()
        assert client.get(path).status_code == 200
        assert len(counted.asked) <= most, path
