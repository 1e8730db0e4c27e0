"""The whole system as a stranger starts it: `cakupan up`, then every promise, one by one.

One start for all tests here, on free ports, in a folder of its own.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from cakupan import wiring
from cakupan.settings import Settings
from cakupan.stack import Stack
from events.catalogue import ACTIVATION
from events.regions import format_code
from projections import answers, keys
from projections.clickhouse import Database
from tests.conftest import free_port
from tests.support import Process, command, until
from tests.test_rebuild import FILES, version
from tests.test_worker import activated, send

DAY = "2024-06-30"
VILLAGE = "61.01.01.2001"


@dataclass
class Up:
    """A running system."""

    settings: Settings
    process: Process
    api: httpx.Client

    def get(self, path: str, **params: Any) -> Any:
        answer = self.api.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def active(self, code: str, **params: Any) -> int:
        value: int = self.get(f"/v1/coverage/{code}", **params)["numerator"]["value"]
        return value

    def settled(self) -> None:
        """Wait until all that was fetched counts: rates may show before coverage, a village before its nation."""
        database, now = wiring.database(self.settings), dt.datetime.now(dt.UTC)
        until(
            "all counts, as the worker has just said",
            lambda: all(each.caught_up and each.checked_at > now for each in answers.log_place(database).taken),
        )

    def kill_child(self, name: str) -> None:
        """SIGKILL the child of `up` that runs this command."""
        children = psutil.Process(self.process.process.pid).children()
        (child,) = [each for each in children if each.cmdline()[-2:] == ["cakupan", name]]
        child.kill()


def start(settings: Settings, log: Path, *options: str, folder: Path | None = None) -> Process:
    process = Process(settings, ("up", *options), log, folder)
    until("cakupan is up", lambda: "Ctrl-C stops" in process.said, timeout=300, process=process)
    return process


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    kafka = free_port()
    settings = Settings(
        kafka_bootstrap=f"127.0.0.1:{kafka}",
        kafka_subscriber_port=free_port(),
        clickhouse_port=free_port(),
        api_port=free_port(),
        worker_metrics_port=free_port(),
        public_smallest=1,  # as up has it on loopback where nothing else was said
        data_dir=folder / "data",
    )
    process = start(settings, folder / "up.log")
    lent = keys.lent(wiring.database(settings), "cakupan-test", dt.timedelta(hours=1))
    with lent as key, wiring.api_client(settings, key) as api:
        system = Up(settings, process, api)
        yield system
    process = system.process  # a test stops it and starts it again
    process.process.send_signal(signal.SIGINT)
    assert process.process.wait(60) == 0, process.said[-2000:]
    assert "Traceback" not in process.said


def test_it_says_where_and_what(up: Up) -> None:
    said = up.process.said
    assert f"API   {up.settings.api_address}" in said
    assert f"page  {up.settings.api_address}/" in said
    assert f"docs  {up.settings.api_address}/docs" in said
    assert "43,336 active of 452,092 recorded = 9.59%" in said
    assert "recounted from the log: right to the last event" in said


def test_the_published_figure(up: Up) -> None:
    answer = up.get("/v1/coverage/61.01", as_of=DAY)
    assert answer["numerator"]["value"] == 43336
    assert answer["denominator"]["value"] == 452092
    assert answer["denominator"]["basis"] == "recorded"
    assert answer["denominator"]["vintage"] == DAY
    assert answer["denominator"]["source"]
    assert answer["coverage"] == 0.095857
    assert (answer["target"]["ratio"], answer["target"]["basis"]) == (0.3, "recorded")
    assert answer["attainment"] == 0.319522
    assert answer["missing"] == 92292
    assert answer["data"]["position"][ACTIVATION].keys() == {"0", "1", "2", "3"}
    assert answer["data"]["verified_up_to"][ACTIVATION]
    assert answer["data"]["age_seconds"] < 60
    assert answer["data"]["synthetic"] is True


def test_the_same_over_the_population(up: Up) -> None:
    answer = up.get("/v1/coverage/61.01", as_of=DAY, basis="population")
    assert (answer["denominator"]["value"], answer["coverage"]) == (648037, 0.066873)
    assert (answer["attainment"], answer["missing"]) == (0.319522, 92292)


def children(up: Up, code: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = up.get(f"/v1/coverage/{code}/children", as_of=DAY, limit=500)["items"]
    return items


def test_villages_are_for_who_has_a_key(up: Up) -> None:
    with wiring.api_client(up.settings) as public:
        assert public.get("/v1/coverage/61/children").status_code == 200
        assert public.get("/v1/coverage/61.01/children").status_code == 401


def test_a_subscriber_gets_what_it_needs(up: Up) -> None:
    made = command(up.settings, "subscriber", "add", "61", "--name", "kalbar", "--json")
    assert made.returncode == 0, made.stderr
    credentials = json.loads(made.stdout)
    consumer = Consumer(credentials["kafka"])
    assert set(credentials["topics"]) == consumer.list_topics(timeout=20).topics.keys()
    consumer.close()
    with wiring.api_client(up.settings, credentials["api_key"]) as its:
        assert its.get("/v1/coverage/61.01/children").status_code == 200


def test_every_route_shows_the_same_number(up: Up) -> None:
    districts = children(up, "61.01")
    assert len(districts) == 19
    assert sum(each["numerator"]["value"] for each in districts) == 43336
    villages = [each for district in districts for each in children(up, district["region"]["code"])]
    assert len(villages) == 195
    assert sum((each["numerator"] or {"value": 0})["value"] for each in villages) == 43336
    (sambas,) = [each for each in children(up, "61") if each["region"]["code"] == "61.01"]
    assert sambas["numerator"]["value"] == 43336
    for interval in ("day", "week", "month"):
        points = up.get("/v1/coverage/61.01/series", interval=interval, to=DAY)["points"]
        assert points[-1]["active"] == 43336, interval


def test_every_village_is_ranked_for_the_next_visits(up: Up) -> None:
    """Only the regency's people recorded are published: they are shared out to its villages, and each says so."""
    answer = up.get("/v1/next-visits/61.01", as_of=DAY, limit=195)
    assert (answer["ranked"], answer["not_ranked"], len(answer["visits"])) == (195, 0, 195)
    active = {
        each["region"]["code"]: (each["numerator"] or {"value": 0})["value"]
        for district in children(up, "61.01")
        for each in children(up, district["region"]["code"])
    }
    for why, code in ((each["why"], each["region"]["code"]) for each in answer["visits"]):
        assert why["not_yet_active"] == 452_092 // 195 - active[code]
        assert (why["denominator"]["basis"], why["denominator"]["estimated"]) == ("recorded", True)
        assert "regency 61.01" in why["denominator"]["method"]
    assert all(each["why"]["expected_per_staff_hour"] > 0 for each in answer["visits"])
    scores = [each["score"] for each in answer["visits"]]
    assert scores == sorted(scores, reverse=True)


def test_an_event_in_an_idle_system_shows_at_once(up: Up) -> None:
    before = up.active(VILLAGE), up.active("61.01"), up.active("0")
    done = command(up.settings, "publish", "Activated", f"domicile={VILLAGE}", "--json")
    assert done.returncode == 0, done.stderr
    event = json.loads(done.stdout)
    assert event["domicile"] == VILLAGE
    until("it shows", lambda: (up.active(VILLAGE), up.active("61.01"), up.active("0")) == tuple(n + 1 for n in before))

    def of_the_hour() -> int:
        (hour,) = [each for each in up.get(f"/v1/rates/{VILLAGE}")["windows"] if each["window"] == "hour"]
        activated: int = hour["total"]["activated"] if hour["total"] else 0  # nobody vouches for the present hour
        return activated

    until("its rate shows", lambda: of_the_hour() == 1)


def test_live_rates_are_pushed_when_they_change(up: Up) -> None:
    with up.api.stream("GET", "/v1/rates/61.01.02/live", timeout=60) as stream:
        lines = stream.iter_lines()
        first = _next_rates(lines)
        command(up.settings, "publish", "Activated", "domicile=61.01.02.2001")
        second = _next_rates(lines)
    before = first["windows"][-1]["total"]
    assert (before["activated"] if before else 0) + 1 == second["windows"][-1]["total"]["activated"]


def _next_rates(lines: Iterator[str]) -> dict[str, Any]:
    for line in lines:
        if line.startswith("data:"):
            loaded: dict[str, Any] = json.loads(line.removeprefix("data:"))
            return loaded
    raise AssertionError("the stream ended")


RECORDS = """activated_at,domicile,subject_id,source
2026-01-05,61.01.01.2001,0f8fad5b-d9cb-469f-a165-70867728950e,dukcapil-61.01
2026-01-05T09:00:00+07:00,61.01.02.2001,7c9e6679-7425-40de-944b-e07fc1f90ae7,dukcapil-61.01
2026-01-05,61.01.02.2001,6101014502990001,dukcapil-61.01
2026-01-05,61.01.99.2001,7c9e6679-7425-40de-944b-e07fc1f90ae8,dukcapil-61.01
"""


def test_importing_a_file_three_times_counts_it_once(up: Up, tmp_path: Path) -> None:
    file = tmp_path / "records.csv"
    file.write_text(RECORDS)
    up.settled()
    before = up.active("61.01")
    dry = command(up.settings, "import", str(file), "--dry-run")
    assert "2 would be published, 2 refused" in dry.stdout
    for _ in range(3):
        done = command(up.settings, "import", str(file), "--json")
        assert done.returncode == 1
        report = json.loads(done.stdout)
        assert (report["lines"], report["published"]) == (4, 2)
        assert [each["line"] for each in report["refused"]] == [4, 5]
        assert "6101014502990001" not in done.stdout + done.stderr
        until("both count", lambda: up.active("61.01") == before + 2)


def test_killed_and_started_again_the_numbers_are_the_same(up: Up) -> None:
    up.settled()
    numbers = [up.active(code) for code in ("0", "61", "61.01", VILLAGE)]
    up.kill_child("worker")
    command(up.settings, "publish", "Activated", f"domicile={VILLAGE}")
    # A village is written before its nation: for some milliseconds the one is ahead of the other.
    codes = ("0", "61", "61.01", VILLAGE)
    more = [each + 1 for each in numbers]
    until("it is started again and counts", lambda: [up.active(code) for code in codes] == more)
    up.kill_child("serve")
    until("the API is back", lambda: _answers(up), timeout=60)
    assert [up.active(code) for code in codes] == more  # and the next test has all recounted


def _answers(up: Up) -> bool:
    try:
        return up.api.get("/health/ready").is_success
    except httpx.HTTPError:
        return False


def test_verify_finds_a_row_changed_by_hand(up: Up) -> None:
    database = wiring.database(up.settings)
    (row,) = database.rows("SELECT region, day FROM coverage_day WHERE region > 1000000 AND active_change = 3 LIMIT 1")
    place = f"WHERE region = {row['region']} AND day = '{row['day']}'"
    changes = {
        f"coverage_day UPDATE active_change = active_change {{}} 1 {place}": (row["region"], row["day"]),
        "denominator UPDATE value = value {} 1 WHERE region = 6101 AND basis = 'recorded'": (6101, DAY),
    }
    for change in changes:
        database.run(f"ALTER TABLE {change.format('+')} SETTINGS mutations_sync = 1")
    done = command(up.settings, "verify")
    for change in changes:
        database.run(f"ALTER TABLE {change.format('-')} SETTINGS mutations_sync = 1")
    assert done.returncode == 1
    for region, day in changes.values():
        assert f"region {format_code(region)}, day {day}" in done.stdout
    done = command(up.settings, "verify", "--json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["verified"] is True


def test_a_confluent_consumer_reads_with_the_schemas_served(up: Up) -> None:
    registry = SchemaRegistryClient({"url": up.settings.api_address})
    read = AvroDeserializer(registry)
    consumer = Consumer(
        {"bootstrap.servers": up.settings.kafka_bootstrap, "group.id": "other", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(ACTIVATION, 0, 0)])
    messages: list[Any] = []
    while len(messages) < 500:
        messages += consumer.consume(500, timeout=5)
    consumer.close()
    for message in messages:
        value = read(message.value(), SerializationContext(ACTIVATION, MessageField.VALUE))
        assert isinstance(value, dict)
        assert value["source"].startswith("synthetic/")


def test_kcat_reads_the_topics(up: Up) -> None:
    kcat = shutil.which("kcat")
    if not kcat and not os.environ.get("CI"):
        pytest.skip("kcat is not installed: apt-get install kcat (`make test` does it where it may)")
    assert kcat, "kcat is missing"
    command_line = [kcat, "-b", up.settings.kafka_bootstrap, "-C", "-t", ACTIVATION, "-p", "0", "-o", "0", "-c", "5"]
    done = subprocess.run([*command_line, "-e", "-f", "%k %S %o\n"], capture_output=True, check=True, timeout=60)
    assert done.stdout.count(b"\n") >= 5


def test_status_and_doctor(up: Up) -> None:
    status = json.loads(command(up.settings, "status", "--json").stdout)
    assert status["ready"] is True
    assert {each["lag"] for each in status["freshness"]["partitions"]} == {0}
    doctor = command(up.settings, "doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout
    assert {each["state"] for each in json.loads(doctor.stdout)["findings"]} == {"ok"}


def test_a_second_up_says_that_the_port_is_taken(up: Up) -> None:
    done = command(up.settings, "up")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert re.search(r"Port \d+ on 127.0.0.1, wanted by Kafka \(CAKUPAN_KAFKA_BOOTSTRAP\), is taken", done.stderr)


def test_the_worker_shows_its_metrics(up: Up) -> None:
    text = httpx.get(f"http://127.0.0.1:{up.settings.worker_metrics_port}/metrics").text
    assert "cakupan_events_total" in text
    assert "cakupan_lag_events" in text
    assert "cakupan_" in up.api.get("/metrics").text


def a_system(folder: Path) -> Settings:
    """One that nobody has started yet, on ports of its own."""
    return Settings(
        kafka_bootstrap=f"127.0.0.1:{free_port()}",
        kafka_subscriber_port=free_port(),
        clickhouse_port=free_port(),
        api_port=free_port(),
        worker_metrics_port=0,
        public_smallest=1,
        data_dir=folder / "data",
    )


def test_a_second_start_loads_nothing_again(up: Up, tmp_path: Path) -> None:
    codes = ("0", "61", "61.01", VILLAGE)
    numbers = [up.active(code) for code in codes]
    up.process.process.send_signal(signal.SIGTERM)
    assert up.process.process.wait(60) == 0
    assert "Traceback" not in up.process.said
    up.process = start(up.settings, tmp_path / "again.log")
    assert [up.active(code) for code in codes] == numbers
    assert "synthetic events loaded" not in up.process.said
    done = command(up.settings, "publish", "Activated", f"domicile={VILLAGE}")
    assert done.returncode == 0, done.stderr
    until("it goes on", lambda: [up.active(code) for code in codes] == [each + 1 for each in numbers])


def test_a_worker_that_stands_still_is_started_again(tmp_path: Path) -> None:
    """The real cause: ClickHouse has stopped in the middle of a statement, and neither answers nor ends."""
    kafka = free_port()
    settings = Settings(
        kafka_bootstrap=f"127.0.0.1:{kafka}",
        kafka_subscriber_port=free_port(),
        clickhouse_port=free_port(),
        api_port=free_port(),
        worker_metrics_port=free_port(),
        stalled_seconds=5,
        data_dir=tmp_path / "data",
    )
    said: list[str] = []
    stack = Stack(settings, said.append)
    people = functools.partial(people_of, wiring.database(settings))
    try:
        stack.start()
        send(settings.kafka_bootstrap, activated(1))
        until("the event is in the answers", lambda: people() == 1, timeout=120)
        first, engine = stack.worker, stack.clickhouse.pid
        assert first is not None
        assert engine is not None
        os.kill(engine, signal.SIGSTOP)
        send(settings.kafka_bootstrap, activated(2))
        until("it is ended", lambda: _watched(stack) and not first.running, timeout=120)
        os.kill(engine, signal.SIGCONT)
        assert any(each.startswith("the worker stands still: ") and "for " in each for each in said)
        until("another goes on", lambda: _watched(stack) and people() == 2, timeout=120)
        assert stack.worker is not first
        assert any(each.startswith("worker ended with exit code") for each in said)
    finally:
        stack.stop()


def people_of(database: Database) -> int:
    return sum(answers.active_people(database, [61], dt.date(2100, 1, 1)).values())


def _watched(stack: Stack) -> bool:
    stack.watch()
    return True


def test_a_changed_projection_is_built_anew_at_the_start(tmp_path: Path) -> None:
    """Nothing else answers from its tables then, so `up` needs nobody to say `cakupan rebuild`."""
    settings = a_system(tmp_path)
    new = version(tmp_path / "new", *FILES)
    for folder in (version(tmp_path / "old", "0097_scratch.sql"), new):
        process = start(settings, tmp_path / f"{folder.name}.log", "--no-scenario", folder=folder)
        with wiring.api_client(settings) as api:
            if folder is not new:
                assert _value(api) is None
                send(settings.kafka_bootstrap, activated(1), activated(2))
            until("the events count", lambda: _value(api) == 2)
        if folder is new:
            assert "0098_channels: building the tables anew from the log" in process.said
            rows = wiring.database(settings).rows("SELECT * FROM service_day FINAL")
            assert rows
            assert all(row["channels"] for row in rows)
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(60) == 0
        assert "Traceback" not in process.said


def test_another_seed_is_refused_before_anything_starts(up: Up) -> None:
    done = command(up.settings, "up", "--seed", "9")
    assert done.returncode == 2
    assert "holds the scenario of seed 1" in done.stderr
    assert "starting" not in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"CAKUPAN_API_PORT": "99999"}, "settings: CAKUPAN_API_PORT: "),
        ({"CAKUPAN_KAFKA_BOOTSTRAP": "kafka.example:9092"}, "the embedded stack listens on loopback"),
    ],
)
def test_a_bad_setting_is_named(change: dict[str, str], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cakupan", "up"],
        env={**os.environ, "CAKUPAN_DATA_DIR": str(tmp_path), **change},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = command(Settings(data_dir=tmp_path / "file", api_port=free_port()), "up", "--no-scenario")
    assert done.returncode == 2
    assert "cannot be the data folder" in done.stderr


@pytest.mark.parametrize("name", ["verify", "status", "migrate"])
def test_without_a_system_commands_name_the_address(name: str) -> None:
    away = Settings(kafka_bootstrap="127.0.0.1:9", clickhouse_port=9, api_port=9)
    done = command(away, name)
    assert done.returncode == 3
    assert "127.0.0.1:9 (CAKUPAN_" in done.stderr
    assert "Traceback" not in done.stderr


def _value(api: httpx.Client) -> int | None:
    numerator = api.get("/v1/coverage/61.01").json()["numerator"]
    return None if numerator is None else int(numerator["value"])
