"""What a subscriber is given, run as a subscriber runs it: a system that is up, a user of a province, its own files.

The commands of docs/subscribe.md are taken out of the page and run as they stand there.
"""

from __future__ import annotations

import csv
import datetime as dt
import importlib.metadata
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.requirements import Requirement
from playwright.sync_api import Page, expect, sync_playwright

from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.settings import Settings
from events import codec, identity, jsonform
from events.catalogue import ACTIVATION, COVERAGE, EVENTS, TOPICS, examples, schema
from events.codec import Event
from events.provinces import name_of
from events.publisher import Publisher
from projections.clickhouse import Database
from projections.errors import QueryFailed
from tests.conftest import free_port
from tests.support import Process, command, environment, until

ROOT = Path(__file__).parent.parent
FILES = ROOT / "examples" / "subscriber"
GUIDE = ROOT / "docs" / "subscribe.md"
OF_61 = name_of(ACTIVATION, 61)
VILLAGE = 6101012001
BROWSER = "chromium"


@dataclass
class Office:
    """A province's office: the system that it subscribes to, its folder with client.properties and the examples."""

    settings: Settings
    folder: Path
    kafka: dict[str, str]
    key: str

    def hand_over(self, **change: str) -> None:
        """Write client.properties, with some values changed."""
        lines = [f"{name}={value}\n" for name, value in {**self.kafka, **change}.items()]
        (self.folder / "client.properties").write_text("# handed over\n\n" + "".join(lines))

    def consumer(self, *more: str) -> list[str]:
        """The command line of the consumer."""
        return [sys.executable, "consumer.py", "client.properties", "--registry", self.settings.api_address, *more]

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            arguments, cwd=self.folder, capture_output=True, text=True, timeout=120, env=_environment(self.settings)
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def read(self, *topics: str) -> str:
        """What the consumer says when it has read all that is there."""
        return self.run(*self.consumer("--topics", *(topics or (OF_61,)), "--once")).stdout

    def rows(self, sql: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "copy.db")) as store:
            return store.execute(sql, values).fetchall()

    def held(self) -> set[str]:
        """Ids of the events in the copy."""
        return {each for (each,) in self.rows("SELECT event_id FROM event")}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A system that is up, without a scenario."""
    folder = tmp_path_factory.mktemp("up")
    made = Settings(
        kafka_bootstrap=f"127.0.0.1:{free_port()}",
        kafka_subscriber_port=free_port(),
        clickhouse_port=free_port(),
        api_port=free_port(),
        worker_metrics_port=free_port(),
        fanout_metrics_port=free_port(),
        webhook_metrics_port=free_port(),
        fanout_look_seconds=0.5,
        public_smallest=1,
        data_dir=folder / "data",
    )
    process = Process(made, ("up", "--no-scenario", "--no-verify"), folder / "up.log")
    until("cakupan is up", lambda: "Ctrl-C stops" in process.said, timeout=300, process=process)
    yield made
    process.process.send_signal(signal.SIGINT)
    assert process.process.wait(60) == 0, process.said[-2000:]


@pytest.fixture(scope="module")
def given(settings: Settings) -> dict[str, Any]:
    """What the operator hands to a subscriber of province 61."""
    done = command(settings, "subscriber", "add", "61", "--name", "office", "--json")
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made


@pytest.fixture
def office(settings: Settings, given: dict[str, Any], tmp_path: Path) -> Office:
    """With an empty folder, and a group that has read nothing."""
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    kafka = {**given["kafka"], "group.id": f"{given['group_prefix']}{uuid.uuid4().hex}"}
    made = Office(settings, tmp_path, kafka, given["api_key"])
    made.hand_over()
    return made


def _environment(settings: Settings) -> dict[str, str]:
    """As a person has it: this Python first on the path, and where the API is."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**environment(settings), "PATH": path, "API": settings.api_address, "NO_COLOR": "1"}


def event(type_: str, **values: Any) -> Event:
    """An event like the type's example, now and under an id of its own."""
    at = time.time_ns() // 1_000_000
    like = jsonform.from_json(examples(EVENTS[type_], EVENTS[type_].newest)[0], at).values
    own = {"event_id": identity.new_event_id(at), "occurred_at": at, "recorded_at": at}
    return Event(EVENTS[type_], {**like, **own, **values})


def activated(**values: Any) -> Event:
    return event("Activated", **{"domicile": VILLAGE, "subject_id": uuid.uuid4().bytes, **values})


def send(settings: Settings, *events: Event) -> set[str]:
    """Publish them; their ids as the consumer has them."""
    with Publisher(settings.kafka_bootstrap) as publisher:
        for each in events:
            publisher.publish(each)
    return {each.values["event_id"].hex() for each in events}


def reads(office: Office, ids: set[str]) -> None:
    """Wait until the office has them: the fan-out passes on, the consumer reads."""

    def there() -> bool:
        office.read()
        return ids <= office.held()

    until("the events are in the copy", there)


def test_the_consumer_reads_what_is_published(office: Office) -> None:
    move = event("SubjectDeparted", domicile=VILLAGE)
    sent = send(office.settings, activated(), move)
    elsewhere = send(office.settings, activated(domicile=6201011011, service_region=6201))
    reads(office, sent | send(office.settings, activated()))
    assert not elsewhere & office.held()
    ask = "SELECT type, region, topic, body FROM event WHERE event_id = ?"
    ((name, region, topic, body),) = office.rows(ask, move.values["event_id"].hex())
    assert (name, region, topic) == ("SubjectDeparted", "61.01.01.2001", OF_61)
    assert (json.loads(body)["domicile"], json.loads(body)["recorded_at"][-1]) == (VILLAGE, "Z")


def test_killed_again_and_again_it_has_every_event_once(office: Office) -> None:
    """Some are sent twice, so they are delivered twice; each is there once, with the place of every delivery."""
    sent: set[str] = set()
    for number in range(3):
        events = [activated() for _ in range(300)]
        sent |= send(office.settings, *events, *events[:50])
        process = subprocess.Popen(office.consumer("--topics", OF_61), cwd=office.folder, stdout=subprocess.DEVNULL)
        until("it has begun", lambda: (office.folder / "copy.db").exists() and bool(_events(office)))
        time.sleep(0.2 * number)
        process.kill()
        process.wait(30)
    reads(office, sent)
    assert office.read() == "", "what was read once is not told again"
    twice = office.rows("SELECT event_id FROM delivery GROUP BY event_id HAVING count(*) > 1")
    assert len({each for (each,) in twice} & sent) == 3 * 50


def _events(office: Office) -> int:
    try:
        return int(office.rows("SELECT count(*) FROM event")[0][0])
    except sqlite3.OperationalError:  # not made yet, or being written
        return 0


def test_it_stops_when_told_and_goes_on_from_there(office: Office) -> None:
    first = send(office.settings, activated())
    process = subprocess.Popen(
        office.consumer("--topics", OF_61),
        cwd=office.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until("it has read", lambda: bool(_events(office)) and first <= office.held())
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, "goes on from here" in said) == (0, True), said
    second = send(office.settings, activated())
    reads(office, first | second)


def test_a_correction_holds_and_an_erasure_takes_the_pseudonym_away(office: Office) -> None:
    person = uuid.uuid4().bytes
    wrong = activated(subject_id=person, sex="male")
    right = Event(wrong.type, {**wrong.values, "sex": "female", "recorded_at": wrong.values["recorded_at"] + 1})
    reads(office, send(office.settings, wrong, right))
    ask = "SELECT json_extract(body, '$.sex') FROM event WHERE event_id = ?"
    until(
        "both were read",
        lambda: bool(office.read()) or office.rows(ask, wrong.values["event_id"].hex()) == [("female",)],
    )

    gone = event("SubjectErased", domicile=VILLAGE, subject_id=person)
    late = activated(subject_id=person)
    reads(office, send(office.settings, gone, late))
    assert office.rows("SELECT count(*) FROM event WHERE subject_id = ?", person.hex()) == [(0,)]
    assert person.hex().encode() not in (office.folder / "copy.db").read_bytes()
    assert office.rows("SELECT count(*) FROM erased") == [(1,)]


def test_the_consumer_shows_answers_that_changed(office: Office) -> None:
    send(office.settings, activated())

    def shown() -> bool:
        office.read(name_of(COVERAGE, 61), OF_61)
        found = office.rows("SELECT body FROM event WHERE type = 'CoverageChanged' AND region = '61.01.01.2001'")
        return bool(found) and json.loads(found[-1][0])["numerator"] > 0

    until("an answer changed", shown)


@pytest.mark.parametrize(
    ("change", "topic", "said"),
    [
        ({"sasl.password": "wrong"}, OF_61, "Authentication failed"),
        ({}, name_of(ACTIVATION, 62), "Topic authorization failed"),
        ({}, ACTIVATION, "Topic authorization failed"),
        ({"group.id": "another"}, OF_61, "Group authorization failed"),
        ({"ssl.ca.location": "consumer.py"}, OF_61, "ssl.ca.location"),
    ],
)
def test_what_does_not_work_is_named(office: Office, change: dict[str, str], topic: str, said: str) -> None:
    office.hand_over(**change)
    done = office.run(*office.consumer("--topics", topic, "--once"), code=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert office.kafka["sasl.password"] not in done.stderr


def test_a_file_or_an_option_that_is_missing_is_named(office: Office) -> None:
    assert "--registry" in office.run(sys.executable, "consumer.py", "client.properties", code=2).stderr
    (office.folder / "client.properties").unlink()
    assert "client.properties can't be read" in office.run(*office.consumer("--topics", "x"), code=1).stderr


def test_the_kcat_line_as_it_is(office: Office) -> None:
    assert shutil.which("kcat"), "kcat is missing: apt-get install kcat (`make test` does it where it may)"
    sent = [activated(), activated()]
    send(office.settings, *sent)
    ids = {str(uuid.UUID(bytes=each.values["event_id"])) for each in sent}
    until("kcat has them", lambda: all(each in office.run("./kcat.sh").stdout for each in ids))
    (line,) = [each for each in office.run("./kcat.sh").stdout.splitlines() if min(ids) in each]
    assert "ce_type=Activated" in line
    assert "ce_subject=61.01.01.2001" in line


@contextmanager
def browsing(address: str) -> Iterator[Page]:
    """A page in Debian's Chromium."""
    program = shutil.which(BROWSER)
    assert program, "Chromium is missing: apt-get install chromium (`make test` does it where it may)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        yield page
        browser.close()


@contextmanager
def serving(office: Office, port: int) -> Iterator[subprocess.Popen[str]]:
    """The office's own server of the page."""
    process = subprocess.Popen(
        [sys.executable, "serve.py", "--api", office.settings.api_address, "--port", str(port)],
        cwd=office.folder,
        stdout=subprocess.PIPE,
        text=True,
        env={**_environment(office.settings), "CAKUPAN_API_KEY": office.key},
    )
    try:
        assert process.stdout is not None
        assert "open http" in process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait(30)


def active(page: Page, region: str) -> int:
    """How many active people a row shows; -1 where there is none."""
    row = page.locator(f'[id="region-{region}"] td')
    return int(row.nth(1).inner_text().replace(".", "")) if row.count() else -1


def counted(office: Office) -> int:
    """How many active people the API says that the regency has."""
    answer = httpx.get(f"{office.settings.api_address}/v1/coverage/61.01").raise_for_status()
    numerator = answer.json()["numerator"]  # null before anything of the region is known
    return int(numerator["value"]) if numerator else 0


def test_the_page_shows_answers_and_comes_back(office: Office) -> None:
    """In a real browser. The connection is lost, and what came meanwhile is not."""
    port, before = free_port(), counted(office)
    with serving(office, port) as first, browsing(f"http://127.0.0.1:{port}/#61") as page:
        expect(page.locator("#state")).to_contain_text("connected", timeout=30_000)
        send(office.settings, event("DenominatorReleased", region=6101), activated())
        until("it is counted", lambda: counted(office) > before)
        until("the regency is shown", lambda: active(page, "61.01") == counted(office))
        until("the village is shown", lambda: active(page, "61.01.01.2001") > 0)
        shown = counted(office)
        first.kill()
        first.wait(30)
        expect(page.locator("#state")).to_contain_text("lost", timeout=30_000)
        send(office.settings, activated())
        until("it is counted", lambda: counted(office) > shown)
        with serving(office, port):
            until("what came meanwhile is shown", lambda: active(page, "61.01") == counted(office))
            expect(page.locator("#state")).to_contain_text("connected", timeout=30_000)
            expect(page.locator('[id="region-61.01"]')).to_contain_text("%", timeout=30_000)
        assert "%" not in page.locator('[id="region-61.01.01.2001"]').inner_text(), "no denominator, no percentage"


def test_the_office_server_passes_on_what_the_api_refuses(office: Office) -> None:
    port = free_port()
    with serving(office, port):
        asked = ["curl", "-s", "-w", "%{http_code}"]
        assert office.run(*asked, f"http://127.0.0.1:{port}/v1/stream?topics=nothing").stdout.endswith("422")
        assert office.run(*asked, f"http://127.0.0.1:{port}/v1/coverage/61").stdout.endswith("404")


# The page's commands ------------------------------------------------------------------------------------------------


def blocks(text: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def languages() -> tuple[str, str]:
    """The guide in Indonesian, and in English."""
    indonesian, english = GUIDE.read_text(encoding="utf-8").split("\n# ", 1)
    return indonesian, english


def test_both_languages_have_the_same_commands_and_sections() -> None:
    indonesian, english = languages()
    assert blocks(indonesian) == blocks(english)
    assert len(blocks(english)) > 5
    for mark in (r"^## ", r"^\| ", r"^\* ", r"^\d\. "):
        counts = [len(re.findall(mark, text, re.MULTILINE)) for text in languages()]
        assert counts[0] == counts[1], f"lines that begin with {mark}"


def test_the_commands_of_the_guide_work_as_they_are(settings: Settings, tmp_path: Path) -> None:
    """All of them in one shell, in a copy of the examples."""
    shutil.copytree(FILES, tmp_path / "examples" / "subscriber")
    script = "set -euo pipefail\n" + "".join(blocks(languages()[1]))
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=tmp_path,
        env=_environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "examples" / "subscriber"
    with closing(sqlite3.connect(folder / "copy.db")) as store:
        assert store.execute("SELECT count(*) FROM event WHERE type = 'Activated'").fetchone()[0] > 0
    with (folder / "copy.csv").open() as copy:
        assert {each["topic"] for each in csv.DictReader(copy)} >= {OF_61}
    assert f"{OF_61} Activated 61.01.01.2001" in done.stdout
    assert "ce_type=Activated" in done.stdout
    assert (folder / "cakupan.pub").read_text().startswith("-----BEGIN PUBLIC KEY-----")
    asked = re.search(r"^\$ cakupan (receipts check .*)$", languages()[1], re.MULTILINE)
    assert asked is not None
    checked = command(settings, *asked[1].split(), folder=folder)
    assert checked.returncode == 0 or "they come when an hour is over" in checked.stderr, checked.stderr
    assert (folder / "client.properties").stat().st_mode & 0o077 == 0


def test_what_the_examples_need_is_what_they_were_tested_with() -> None:
    for line in (FILES / "requirements.txt").read_text().splitlines():
        needed = Requirement(line)
        assert needed.specifier.contains(importlib.metadata.version(needed.name))


# ClickHouse: all but the reading itself runs on the real engine, which here can't read from Kafka --------------------


def statements() -> list[str]:
    text = re.sub(r"--[^\n]*", "", (FILES / "clickhouse.sql").read_text())
    return [each.strip() for each in text.split(";") if each.strip()]


READING = ("ENGINE = Kafka", "FROM ikd_activation_queue")


@pytest.fixture
def tables(clickhouse: ClickHouseNode) -> Database:
    """A database with every table and view of the example but the two that read from Kafka."""
    name = f"t{uuid.uuid4().hex[:12]}"
    Database("127.0.0.1", clickhouse.port).run(f"CREATE DATABASE {name}")
    made = Database("127.0.0.1", clickhouse.port, name)
    for each in statements():
        if each.startswith("CREATE") and not any(mark in each for mark in READING):
            made.run(each)
    return made


def test_every_statement_is_sql_of_the_engine(tables: Database) -> None:
    for each in statements():
        assert tables.rows(f"EXPLAIN AST {each}"), each
    with pytest.raises(QueryFailed):
        tables.rows("EXPLAIN AST CREATE TABLE x (a Int64) ENGINE Kafka SETTINGS = 1")


def test_the_kafka_table_has_every_field_of_every_type(tables: Database) -> None:
    """And its formats' settings exist."""
    (queue,) = [each for each in statements() if "ENGINE = Kafka" in each]
    columns = set(re.findall(r"^    (\w+) +\w", queue.partition("ENGINE")[0], re.MULTILINE))
    fields = {
        field["name"]
        for type_ in EVENTS.values()
        if type_.topic == ACTIVATION
        for version in type_.versions
        for field in schema(version.schema_id)["fields"]
    }
    assert fields == columns
    known = {each["name"] for each in tables.rows("SELECT name FROM system.settings")}
    named = re.findall(r"^    (\w+) = ", queue.partition("SETTINGS")[2], re.MULTILINE)
    assert {each for each in named if not each.startswith("kafka_")} <= known
    assert f"up to {TOPICS[ACTIVATION].partitions}" in (FILES / "clickhouse.sql").read_text()


def feed(office: Office, tables: Database, *records: Event) -> None:
    """What the Kafka table would hand over, read by the engine's own AvroConfluent from the API's registry."""
    path = office.folder / f"{uuid.uuid4().hex}.bin"
    for number, each in enumerate(records):
        path.write_bytes(codec.encode(each.type.name, each.values))
        (queue,) = [one for one in statements() if "ENGINE = Kafka" in one]
        columns = queue.partition("(")[2].partition("ENGINE")[0].rstrip().removesuffix(")")
        tables.run(
            "INSERT INTO ikd_activation_feed SELECT *, %(type)s AS type, '61.01.01.2001' AS region,"
            " '2026-11-25T01:00:00.000Z' AS arrived, 'ikd.p61.activation.v1' AS topic, 0 AS partition,"
            " %(offset)s AS offset, '' AS error FROM file(%(path)s, 'AvroConfluent', %(columns)s)"
            f" SETTINGS format_avro_schema_registry_url = '{office.settings.api_address}',"
            " input_format_avro_allow_missing_fields = 1",
            {"type": each.type.name, "offset": number, "path": str(path), "columns": " ".join(columns.split())},
        )


def test_it_keeps_each_event_once_and_erases(office: Office, tables: Database) -> None:
    person = uuid.uuid4().bytes
    first = activated(subject_id=person, sex="male")
    right = Event(first.type, {**first.values, "sex": "female", "recorded_at": first.values["recorded_at"] + 1})
    long_ago = int((dt.datetime.now(dt.UTC) - dt.timedelta(days=31)).timestamp() * 1000)
    gone = event("SubjectErased", domicile=VILLAGE, subject_id=person, recorded_at=long_ago)
    feed(office, tables, right, first, right, activated(), gone)
    kept = tables.rows("SELECT type, sex, hex(subject_id) AS subject FROM ikd_activation FINAL WHERE sex = 'female'")
    assert ("Activated", "female", person.hex().upper()) in {(e["type"], e["sex"], e["subject"]) for e in kept}
    assert tables.rows("SELECT count() AS n FROM ikd_activation FINAL") == [{"n": 3}]
    assert tables.rows("SELECT count() AS n, uniqExact(event_id) AS ids FROM ikd_delivery FINAL") == [
        {"n": 5, "ids": 3}
    ]
    for each in statements():
        if each.startswith("ALTER"):
            tables.run(each)
    left = tables.rows(
        "SELECT count() AS n FROM ikd_activation WHERE subject_id = unhex(%(who)s)", {"who": person.hex()}
    )
    assert left == [{"n": 0}]
    (question,) = [each for each in statements() if each.startswith("SELECT")]
    (answer,) = tables.rows(question)
    assert (answer["regency"], answer["activations"]) == ("61.01", 2)


def test_what_it_cannot_read_is_kept_apart(tables: Database) -> None:
    tables.run("INSERT INTO ikd_activation_feed (topic, partition, offset, error) VALUES ('t', 1, 2, 'broken')")
    assert tables.rows("SELECT topic, partition, offset, reason FROM ikd_activation_refused") == [
        {"topic": "t", "partition": 1, "offset": 2, "reason": "broken"}
    ]
    assert tables.rows("SELECT count() AS n FROM ikd_activation") == [{"n": 0}]
