"""The tables anew from the log: beside the present ones, compared, put in their place."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cakupan import wiring
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from cakupan.rebuild import PLACES, PROJECTIONS, CannotRebuild, Rebuild, tables_of
from cakupan.settings import Settings
from events import identity, topics
from events.catalogue import EVENTS
from events.codec import Event, columns
from projections.clickhouse import Database
from projections.migrate import migrate
from tests.conftest import free_port
from tests.support import command, running, until
from tests.test_erasure import holders
from tests.test_worker import activated, answers, caught_up, expected, send

VILLAGES = [6101012001 + n for n in range(5)]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    """A log of its own: what other tests write to theirs must not count here."""
    node = KafkaNode(tmp_path_factory.mktemp("kafka"), port=free_port(), controller_port=free_port())
    node.start()
    node.wait_ready()
    topics.apply(node.bootstrap)
    send(node.bootstrap, *(activated(n % 400, VILLAGES[n % 5]) for n in range(1500)))
    yield node
    node.stop()


@pytest.fixture
def settings(log: KafkaNode, clickhouse: ClickHouseNode, tmp_path: Path) -> Settings:
    """A database that holds what the log says."""
    name = f"t{uuid.uuid4().hex[:12]}"
    Database("127.0.0.1", clickhouse.port).run(f"CREATE DATABASE {name}")
    made = Settings(
        kafka_bootstrap=log.bootstrap,
        clickhouse_port=clickhouse.port,
        clickhouse_database=name,
        worker_group=name,
        worker_metrics_port=0,
        data_dir=tmp_path,
    )
    migrate(wiring.database(made))
    with running(made, "worker", log=tmp_path / "worker.log") as worker:
        until("all taken in", caught_up(made), process=worker)
        worker.stop()
    return made


def spoil(settings: Settings) -> None:
    """Change the tables by hand, each in another way."""
    database = wiring.database(settings)
    database.run("ALTER TABLE coverage_day UPDATE active_change = 77 WHERE region = 6101 SETTINGS mutations_sync = 1")
    database.run("ALTER TABLE person_day DELETE WHERE village = 6101012001 SETTINGS mutations_sync = 1")
    database.run("INSERT INTO service_day VALUES (11, '2024-01-01', 5, 5, 5, 5, 5, 5, 9)")


def databases(settings: Settings) -> set[str]:
    return {row["name"] for row in wiring.database(settings).rows("SELECT name FROM system.databases")}


def test_every_table_of_a_projection_can_be_compared() -> None:
    assert {table for tables in PROJECTIONS.values() for table in tables} == set(PLACES)
    assert set(tables_of(None)) == set(PLACES)
    with pytest.raises(CannotRebuild, match="must be one of base, coverage"):
        tables_of("coverge")


def test_the_same_log_gives_the_same_tables(settings: Settings) -> None:
    done = command(settings, "rebuild", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the new tables and the present ones are the same" in done.stdout
    assert "nothing was put in place" in done.stdout


def test_what_was_changed_by_hand_is_listed_and_mended(settings: Settings) -> None:
    good = answers(settings)
    spoil(settings)
    dry = command(settings, "rebuild", "--dry-run")
    assert dry.returncode == 1
    for table in ("coverage_day", "person_day", "service_day"):
        assert f"  {table}: " in dry.stdout
    assert "the first 11 2024-01-01" in dry.stdout
    assert answers(settings) != good
    done = command(settings, "rebuild")
    assert done.returncode == 0, done.stderr
    assert "put in place: activation_event" in done.stdout
    assert answers(settings) == good == expected(settings.kafka_bootstrap)
    assert f"{settings.clickhouse_database}_rebuild" not in databases(settings)


def test_who_was_erased_stays_erased(settings: Settings) -> None:
    erased = activated(77)
    event = Event(EVENTS["SubjectErased"], {name: erased.values[name] for name in columns(EVENTS["SubjectErased"])})
    event.values["event_id"] = identity.new_event_id(erased.values["occurred_at"])
    with running(settings, "worker", log=settings.data_dir / "worker.log") as worker:
        send(settings.kafka_bootstrap, erased, event)
        until("all taken in", caught_up(settings), process=worker)
        worker.stop()
    database = wiring.database(settings)
    assert holders(database, erased.values["subject_id"]) == {}
    done = command(settings, "rebuild")
    assert "the new tables and the present ones are the same" in done.stdout, done.stdout + done.stderr
    assert holders(database, erased.values["subject_id"]) == {}
    assert answers(settings) == expected(settings.kafka_bootstrap)


def test_one_projection_leaves_the_others_alone(settings: Settings) -> None:
    spoil(settings)
    assert command(settings, "rebuild", "coverage").returncode == 0
    assert answers(settings) == expected(settings.kafka_bootstrap)
    rows = wiring.database(settings).rows("SELECT * FROM service_day FINAL WHERE region = 11")
    assert len(rows) == 1


def make(settings: Settings) -> Rebuild:
    name = f"{settings.clickhouse_database}_rebuild"
    beside = settings.model_copy(update={"clickhouse_database": name})
    return Rebuild(settings.kafka_bootstrap, wiring.database(settings), wiring.database(beside), name)


class Stopped(Exception):
    """Somebody pressed Ctrl-C."""


def test_stopped_it_goes_on_where_it_stood(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cakupan.rebuild.BATCH_RECORDS", 100)
    monkeypatch.setattr("cakupan.rebuild.RECOMPUTE_RECORDS", 200)

    def stop(done: int, _: int) -> None:
        if done >= 700:
            raise Stopped

    first = make(settings)
    first.prepare(fresh=False)
    with pytest.raises(Stopped):
        first.catch_up(stop)
    second = make(settings)
    second.prepare(fresh=False)
    assert 200 <= second.outcome.resumed_from < 700
    second.catch_up(lambda *_: None)
    assert second.outcome.records < 1500
    assert second.compare(tables_of(None)) == []
    second.drop()


def test_what_arrives_while_it_runs_is_in_it(settings: Settings, tmp_path: Path) -> None:
    with running(settings, "worker", log=tmp_path / "worker.log") as worker:
        work = make(settings)
        work.prepare(fresh=True)
        work.catch_up(lambda *_: None)
        send(settings.kafka_bootstrap, *(activated(900 + n, VILLAGES[0]) for n in range(50)))
        work.switch(tables_of(None))
        send(settings.kafka_bootstrap, *(activated(980 + n, VILLAGES[1]) for n in range(50)))
        until("all taken in", caught_up(settings), process=worker)
        worker.stop()
    work.drop()
    assert answers(settings) == expected(settings.kafka_bootstrap)
