"""The worker on the real Kafka and the real ClickHouse engine.

Every test has a database and a consumer group of its own and reads the module's log from its start, whatever other
tests wrote to it: what the tables must hold is what a plain recount of the log says.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, ConsumerGroupState, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families

from cakupan import recount, wiring
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from cakupan.settings import Settings
from events import codec, identity, jsonform, topics
from events.catalogue import ACTIVATION, DEAD_LETTER, EVENTS, HEARTBEAT, OUTREACH, REFERENCE, examples
from events.codec import Event
from events.publisher import Publisher, key_of
from projections import sql
from projections.migrate import migrate
from tests.conftest import free_port
from tests.support import Process, own_database, own_log, running, until

VILLAGE = 6101012001


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    """A log of the module's own."""
    with own_log(tmp_path_factory.mktemp("log")) as node:
        yield node


@pytest.fixture
def settings(log: KafkaNode, clickhouse: ClickHouseNode, tmp_path: Path) -> Iterator[Settings]:
    """A database and a group of this test's own."""
    with own_database(log, clickhouse, tmp_path) as own:
        yield own


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def activated(person: int, village: int = VILLAGE, at: int | None = None) -> Event:
    at = at if at is not None else now_ms()
    base = examples(EVENTS["Activated"], EVENTS["Activated"].newest)[0]
    values = jsonform.from_json(base, now_ms()).values
    ids = {"event_id": identity.new_event_id(at), "subject_id": person.to_bytes(16, "big")}
    return Event(EVENTS["Activated"], {**values, **ids, "domicile": village, "occurred_at": at, "recorded_at": at})


def send(bootstrap: str, *events: Event) -> None:
    with Publisher(bootstrap) as publisher:
        for each in events:
            publisher.publish(each)


def caught_up(settings: Settings) -> Callable[[], bool]:
    """The answers hold the present end of the log."""
    database = wiring.database(settings)
    end = recount.read_log(settings.kafka_bootstrap).end

    def check() -> bool:
        rows = database.rows(sql.query("positions"))
        there = {(row["topic"], row["partition"]): row["position"] for row in rows}
        return all(there.get(place, 0) >= at for place, at in end.items() if place[0] != DEAD_LETTER)

    return check


def answers(settings: Settings) -> dict[tuple[int, Any], tuple[int, ...]]:
    rows = wiring.database(settings).rows("SELECT * FROM coverage_day FINAL")
    names = ("active_change", "activated", "deactivated", "moved_in", "moved_out")
    return {(row["region"], row["day"]): tuple(row[n] for n in names) for row in rows if any(row[n] for n in names)}


def expected(bootstrap: str) -> dict[tuple[int, Any], tuple[int, ...]]:
    counted = recount.count_coverage(recount.read_log(bootstrap))
    return {key: tuple(vars(change).values()) for key, change in counted.items()}


def test_every_example_arrives_in_its_table(settings: Settings, tmp_path: Path) -> None:
    with Publisher(settings.kafka_bootstrap) as publisher:
        for event in EVENTS.values():
            if event.topic == DEAD_LETTER:
                continue
            for version in event.versions:
                for given in examples(event, version):
                    values = jsonform.values_of_version(event, version, given, now_ms())
                    publisher.send(event.topic, b"k", codec.encode(event.name, values, version))
    with running(settings, "worker", log=tmp_path / "worker.log") as worker:
        until("all taken in", caught_up(settings), process=worker)
        assert worker.stop() == 0
    assert answers(settings) == expected(settings.kafka_bootstrap)
    database = wiring.database(settings)
    for table in ("outreach_event", "denominator", "target", "figure", "source_report", "service_day"):
        assert database.rows(f"SELECT * FROM {table}"), table


def letters(bootstrap: str) -> list[dict[str, Any]]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "letters", "enable.auto.commit": False})
    place = TopicPartition(DEAD_LETTER, 0, 0)
    _, end = consumer.get_watermark_offsets(place, timeout=10)
    consumer.assign([place])
    out: list[dict[str, Any]] = []
    while len(out) < end:
        out += [codec.decode(m.value(), DEAD_LETTER).values for m in consumer.consume(100, timeout=0.1)]
    consumer.close()
    return out


def test_bad_records_go_to_the_dead_letters_and_the_rest_goes_on(settings: Settings, tmp_path: Path) -> None:
    good, other = activated(101), activated(102)
    nik = "6101014502990001"
    bad = {
        b"no avro": "not framed Avro",
        codec.frame_header(9999) + b"x": "schema id 9999 is unknown",
        codec.encode("Activated", good.values)[:-3]: "no Activated version 2",
        codec.encode("Activated", {**good.values, "domicile": 6101019999}): "domicile: is no village",
        codec.encode("Activated", {**good.values, "occurred_at": now_ms() + 2 * 86_400_000}): "occurred_at: lies",
        codec.encode("Activated", {**good.values, "source": f"kantor {nik}"}): "source: holds 16 digits",
        codec.encode("OutreachHeld", _held()): "OutreachHeld does not belong to topic",
    }
    before = len(letters(settings.kafka_bootstrap))
    with Publisher(settings.kafka_bootstrap) as publisher:
        publisher.publish(good)
        for raw in bad:
            publisher.send(ACTIVATION, key_of(good), raw)
        publisher.publish(other)
    with running(settings, "worker", log=tmp_path / "worker.log") as worker:
        until("all taken in", caught_up(settings), process=worker)
        worker.stop()
        assert nik not in worker.said
    new = letters(settings.kafka_bootstrap)[before:]
    by_value = {each["record_value"]: each for each in new if each["topic"] == ACTIVATION}
    for raw, reason in bad.items():
        kept = raw.replace(nik.encode(), b"#" * 16)
        assert reason in by_value[kept]["reason"]
        assert nik not in by_value[kept]["reason"]
    assert answers(settings) == expected(settings.kafka_bootstrap)
    rows = wiring.database(settings).rows("SELECT hex(subject_id) AS id FROM activation_event FINAL")
    assert {each.values["subject_id"].hex().upper() for each in (good, other)} <= {row["id"] for row in rows}


def _held() -> dict[str, Any]:
    event = EVENTS["OutreachHeld"]
    return jsonform.from_json(examples(event, event.newest)[0], now_ms()).values


def steps(port: int) -> dict[str, float]:
    """How often the worker has made each of its steps, as it says itself."""
    page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).raise_for_status().text
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return {each.labels["step"]: each.value for each in samples if each.name == "cakupan_step_seconds_count"}


def test_what_comes_bit_by_bit_is_inserted_once_a_recompute(settings: Settings, tmp_path: Path) -> None:
    own = settings.model_copy(update={"worker_metrics_port": free_port()})
    send(own.kafka_bootstrap, activated(30_000))
    with running(own, "worker", log=tmp_path / "worker.log") as worker, Publisher(own.kafka_bootstrap) as publisher:
        until("the log of before taken in", caught_up(own), process=worker)
        before = steps(own.worker_metrics_port)
        for person in range(1, 300):
            publisher.publish(activated(30_000 + person))
            time.sleep(0.01)
        publisher.flush()
        until("all taken in", caught_up(own), process=worker)
        made = {name: count - before.get(name, 0) for name, count in steps(own.worker_metrics_port).items()}
        assert worker.stop() == 0
    assert made["insert"] == made["recompute"] > 1
    assert answers(own) == expected(own.kafka_bootstrap)


def test_killed_again_and_again_it_loses_and_doubles_nothing(settings: Settings, tmp_path: Path) -> None:
    start = now_ms() - 40 * 86_400_000
    events = [activated(1000 + n % 700, VILLAGE + n % 5, start + n * 600_000) for n in range(3000)]
    send(settings.kafka_bootstrap, *events, *events[::7])
    log = tmp_path / "worker.log"
    small = settings.model_copy(update={"max_batch_records": 200, "recompute_interval_seconds": 0.0})
    done = caught_up(settings)
    kills = 0
    while kills < 4:
        with running(small, "worker", log=log) as worker:
            time.sleep(1.5 + 0.4 * kills)
            worker.kill()
            kills += 1
    with running(settings, "worker", log=log) as worker:
        until("all taken in", done, process=worker)
        worker.stop()
    assert answers(settings) == expected(settings.kafka_bootstrap)


def members(settings: Settings) -> tuple[ConsumerGroupState, int]:
    """The state of the workers' group, and how many members the broker counts."""
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    group = admin.describe_consumer_groups([settings.worker_group])[settings.worker_group].result(30)
    return group.state, len(group.members)


def test_killed_while_it_waits_for_a_dead_one_the_next_still_reads(settings: Settings, tmp_path: Path) -> None:
    """Who waits to join is not found dead until what it waits for is over: two sessions pass, one after the other."""
    send(settings.kafka_bootstrap, activated(40_000))
    with running(settings, "worker", log=tmp_path / "first.log") as first:
        until("the first reads", lambda: "reading" in first.said, process=first)
        first.kill()
    with running(settings, "worker", log=tmp_path / "second.log") as second:
        waits = (ConsumerGroupState.PREPARING_REBALANCING, 2)
        until("the second waits", lambda: members(settings) == waits, process=second)
        second.kill()
    with running(settings, "worker", log=tmp_path / "third.log") as third:
        until("all taken in", caught_up(settings), timeout=45, process=third)
        assert third.stop() == 0
    assert answers(settings) == expected(settings.kafka_bootstrap)


def test_too_many_refused_records_stop_it_with_the_reason(settings: Settings, tmp_path: Path) -> None:
    with Publisher(settings.kafka_bootstrap) as publisher:
        for _ in range(30):
            publisher.send(HEARTBEAT, b"k", b"noise")
    strict = settings.model_copy(update={"dead_letter_window": 20})
    with running(strict, "worker", log=tmp_path / "worker.log") as worker:
        assert worker.process.wait(60) == 3
        assert "CAKUPAN_DEAD_LETTER_RATIO=0.5" in worker.said
        assert "Traceback" not in worker.said
    rows = wiring.database(settings).rows(sql.query("positions"))
    assert {row["position"] for row in rows if row["topic"] == HEARTBEAT} <= {0}


def test_clickhouse_away_is_waited_for_and_nothing_is_lost(
    log: KafkaNode, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    node = ClickHouseNode(tmp_path_factory.mktemp("own"), port=free_port())
    node.start()
    node.wait_ready()
    settings = Settings(
        kafka_bootstrap=log.bootstrap,
        clickhouse_port=node.port,
        worker_group=f"away-{uuid.uuid4().hex[:8]}",
        worker_metrics_port=0,
    )
    migrate(wiring.database(settings))
    node.kill()
    with running(settings, "worker", log=tmp_path / "worker.log") as worker:
        address = f"no ClickHouse answers at 127.0.0.1:{node.port} (CAKUPAN_CLICKHOUSE_HOST"
        until("it says what is away", lambda: address in worker.said, process=worker)
        node.start()
        node.wait_ready()
        until("all taken in", caught_up(settings), process=worker)
        node.kill()
        send(log.bootstrap, activated(201))
        time.sleep(1)
        node.start()
        node.wait_ready()
        until("all taken in again", caught_up(settings), process=worker)
        assert "Traceback" not in worker.said
        worker.stop()
    assert answers(settings) == expected(log.bootstrap)
    node.stop()


def test_without_tables_it_says_to_migrate(log: KafkaNode, clickhouse: ClickHouseNode, tmp_path: Path) -> None:
    send(log.bootstrap, activated(301))
    with (
        own_database(log, clickhouse, tmp_path, migrated=False) as settings,
        running(settings, "worker", log=tmp_path / "worker.log") as worker,
    ):
        assert worker.process.wait(60) == 3
        assert "run: cakupan migrate" in worker.said


def test_kafka_away_at_start_is_waited_for(clickhouse: ClickHouseNode, tmp_path: Path) -> None:
    settings = Settings(
        kafka_bootstrap=f"127.0.0.1:{free_port()}", clickhouse_port=clickhouse.port, worker_metrics_port=0
    )
    with running(settings, "worker", log=tmp_path / "worker.log") as worker:
        until("it says so", lambda: f"Kafka at {settings.kafka_bootstrap}" in worker.said, process=worker)
        assert worker.stop() == 0
        assert "Traceback" not in worker.said


def test_applying_topics_again_changes_nothing(log: KafkaNode) -> None:
    assert {each.action for each in topics.apply(log.bootstrap)} == {"as declared"}
    for topic in (ACTIVATION, OUTREACH, REFERENCE, HEARTBEAT, DEAD_LETTER):
        assert topic in {each.topic for each in topics.apply(log.bootstrap, dry_run=True)}


def test_processes_end_when_told(settings: Settings, tmp_path: Path) -> None:
    process = Process(settings, ("worker",), tmp_path / "worker.log")
    until("it works", caught_up(settings), process=process)
    assert process.stop() == 0
