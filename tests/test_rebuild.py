"""The tables anew from the log: beside the present ones, compared, put in their place.

A changed projection is deployed as in production: another version of the package `projections`, in a folder of its own,
with migrations and queries that this one does not have.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from cakupan import comparing, loaders, wiring
from cakupan.comparing import PLACES
from cakupan.dead_letters import discard
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from cakupan.rebuild import PROJECTIONS, CannotRebuild, Rebuild, of_settings, tables_of
from cakupan.settings import Settings
from cakupan.switch import Switch
from events import identity
from events.catalogue import ACTIVATION, EVENTS
from events.codec import Event, columns
from events.publisher import Publisher
from projections import sql
from projections.answers import BY_NOW, active_people, active_people_known
from projections.clickhouse import Database
from projections.dead_letters import Selection, counts, find
from projections.errors import QueryFailed, Unavailable
from projections.migrate import BASES
from streams.log_reader import LogReader
from tests.support import command, own_database, own_log, running, until
from tests.test_erasure import holders
from tests.test_worker import activated, answers, caught_up, expected, send

VILLAGES = [6101012001 + n for n in range(5)]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    """A log of the module's own, with events in it."""
    with own_log(tmp_path_factory.mktemp("log")) as node:
        send(node.bootstrap, *(activated(n % 400, VILLAGES[n % 5]) for n in range(1500)))
        yield node


@pytest.fixture
def settings(log: KafkaNode, clickhouse: ClickHouseNode, tmp_path: Path) -> Iterator[Settings]:
    """A database that holds what the log says, taken in as a worker does it, without starting one for each test."""
    with own_database(log, clickhouse, tmp_path) as made:
        Rebuild(log.bootstrap, wiring.database(made), wiring.database(made), "").catch_up(lambda *_: None)
        yield made


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
    assert set(BASES) < set(PLACES)
    with pytest.raises(CannotRebuild, match="must be one of base, coverage"):
        tables_of("coverge")


def test_the_same_log_gives_the_same_tables(log: KafkaNode, clickhouse: ClickHouseNode, tmp_path: Path) -> None:
    """The tables that a worker filled."""
    with own_database(log, clickhouse, tmp_path) as settings:
        with running(settings, "worker", log=tmp_path / "worker.log") as worker:
            until("all taken in", caught_up(settings), process=worker)
            worker.stop()
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
    assert " ms: activation_event" in done.stdout
    assert answers(settings) == good == expected(settings.kafka_bootstrap)
    assert f"{settings.clickhouse_database}_rebuild" not in databases(settings)


def test_however_much_differs_it_is_looked_for_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    work = of_settings(settings)
    work.prepare(fresh=True)
    work.catch_up(lambda *_: None)
    work.present.run("TRUNCATE TABLE activation_event")
    asked: list[str] = []
    rows = Database.rows

    def counted(database: Database, *arguments: Any) -> Any:
        asked.append(arguments[0])
        return rows(database, *arguments)

    columns = comparing.tables(work.new)["activation_event"]
    (there,) = work.new.rows(
        "SELECT count() AS rows, uniqExact(domicile, toDate(occurred_at, 'Asia/Jakarta')) AS keys"
        " FROM activation_event FINAL"
    )
    monkeypatch.setattr(Database, "rows", counted)
    found = comparing.compare((work.present, work.new), "activation_event", columns, columns)
    assert found is not None
    assert (found.present, found.new, found.differing) == (0, there["rows"], there["keys"])
    assert len(asked) <= 5
    work.drop()


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


class Stopped(Exception):
    """Somebody pressed Ctrl-C."""


def test_stopped_it_goes_on_where_it_stood(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cakupan.rebuild.BATCH_RECORDS", 100)
    monkeypatch.setattr("cakupan.rebuild.RECOMPUTE_RECORDS", 200)
    monkeypatch.setattr("cakupan.loaders.BATCH_RECORDS", 100)

    def stop(done: int, _: int) -> None:
        if done >= 700:
            raise Stopped

    first = of_settings(settings)
    first.prepare(fresh=False)
    with pytest.raises(Stopped):
        first.catch_up(stop)
    second = of_settings(settings)
    second.prepare(fresh=False)
    assert 200 <= second.outcome.resumed_from < 700
    second.catch_up(lambda *_: None)
    assert second.outcome.records < 1500
    assert second.compare() == []
    second.drop()


def test_stopped_while_it_counts_it_counts_again(settings: Settings) -> None:
    def stop(done: int, _: int) -> None:
        if done == 2:
            raise Stopped

    first = of_settings(settings)
    first.prepare(fresh=True)
    first.load(lambda *_: None)
    with pytest.raises(Stopped):
        first.count(stop)
    second = of_settings(settings)
    second.prepare(fresh=False)
    second.catch_up(lambda *_: None)
    assert second.outcome.records == 0
    assert second.compare() == []
    second.drop()


def test_several_processes_build_the_same(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cakupan.loaders.ALONE", 0)
    work = of_settings(settings)
    work.prepare(fresh=True)
    seen: list[tuple[int, int]] = []
    work.catch_up(lambda done, total: seen.append((done, total)))
    assert [total for _, total in seen] == [seen[-1][0]] * len(seen)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert work.outcome.records >= 1500
    assert work.compare() == []
    work.drop()


def test_what_goes_wrong_in_a_process_of_ours_is_said_by_the_one_that_asked(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cakupan.loaders.ALONE", 0)
    nowhere = wiring.database(settings.model_copy(update={"clickhouse_port": 9}))
    missing = wiring.database(settings.model_copy(update={"clickhouse_database": "nothing_of_this_name"}))
    with LogReader(settings.kafka_bootstrap, "test") as reader:
        stretch = next((place, 0, 1) for place, (_, end) in reader.all_bounds([ACTIVATION]).items() if end)
    for database, error, words in (
        (nowhere, Unavailable, "127.0.0.1:9"),
        (missing, QueryFailed, "nothing_of_this_name"),
    ):
        with pytest.raises(error, match=words):
            list(loaders.load(settings.kafka_bootstrap, database, [stretch]))


def test_a_process_of_ours_that_was_killed_is_missed() -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=os._exit, args=(9,))
    process.start()
    with pytest.raises(loaders.LoaderDied, match="ended with code 9"):
        list(loaders._results([process], context.Queue()))


def test_a_log_whose_beginning_is_gone_is_not_built_from(clickhouse: ClickHouseNode, tmp_path: Path) -> None:
    with own_log(tmp_path / "log") as log, own_database(log, clickhouse, tmp_path) as settings:
        send(log.bootstrap, *(activated(n, VILLAGES[0]) for n in range(20)))
        with LogReader(log.bootstrap, "test") as reader:
            bounds = reader.all_bounds([ACTIVATION])
        (topic, partition), end = next((place, end) for place, (_, end) in bounds.items() if end)
        admin = AdminClient({"bootstrap.servers": log.bootstrap})
        for each in admin.delete_records([TopicPartition(topic, partition, end)]).values():
            each.result(30)
        done = command(settings, "rebuild", "--dry-run")
    assert done.returncode == 2
    assert f"{topic}, partition {partition}, begins at offset {end}: what came before is gone" in done.stderr


def test_what_arrives_while_it_runs_is_in_it(settings: Settings, tmp_path: Path) -> None:
    with running(settings, "worker", log=tmp_path / "worker.log") as worker:
        work = of_settings(settings)
        work.prepare(fresh=True)
        work.catch_up(lambda *_: None)
        send(settings.kafka_bootstrap, *(activated(900 + n, VILLAGES[0]) for n in range(50)))
        work.switch()
        send(settings.kafka_bootstrap, *(activated(980 + n, VILLAGES[1]) for n in range(50)))
        until("all taken in", caught_up(settings), process=worker)
        worker.stop()
    work.drop()
    assert answers(settings) == expected(settings.kafka_bootstrap)


UUIDS = "SELECT name, uuid FROM system.tables WHERE database = currentDatabase()"


def uuids(settings: Settings) -> dict[str, Any]:
    return {row["name"]: row["uuid"] for row in wiring.database(settings).rows(UUIDS)}


def rows_of(settings: Settings, table: str) -> int:
    (row,) = wiring.database(settings).rows(f"SELECT count() AS rows FROM {table} FINAL")
    return int(row["rows"])


def test_the_door_writes_into_the_tables_now_in_place(settings: Settings, tmp_path: Path) -> None:
    before = uuids(settings)
    assert command(settings, "rebuild").returncode == 0
    after = uuids(settings)
    assert all(after[table] != before[table] for table in tables_of(None))
    assert after["activation_in"] == before["activation_in"]
    rows = {table: rows_of(settings, table) for table in ("activation_event", "activity", "person_day")}
    send(settings.kafka_bootstrap, activated(700, VILLAGES[0]))
    with running(settings, "worker", log=tmp_path / "worker.log") as worker:
        until("all taken in", caught_up(settings), process=worker)
        worker.stop()
    assert {table: rows_of(settings, table) for table in rows} == {table: n + 1 for table, n in rows.items()}
    assert answers(settings) == expected(settings.kafka_bootstrap)


def test_dead_letters_are_rebuilt_with_what_was_decided(settings: Settings, tmp_path: Path) -> None:
    with Publisher(settings.kafka_bootstrap) as publisher:
        for raw in (b"no avro", b"none either"):
            publisher.send(ACTIVATION, b"k", raw)
    with running(settings, "worker", log=tmp_path / "worker.log") as worker:
        until("two letters", lambda: len(find(wiring.database(settings), Selection(), 10)) == 2, process=worker)
        first, _ = find(wiring.database(settings), Selection(), 10)
        discard(settings.kafka_bootstrap, [first], "tried out")
        until("it is settled", lambda: (ACTIVATION, "discarded") in counts(wiring.database(settings)), process=worker)
        until("all taken in", caught_up(settings), process=worker)
        worker.stop()
    database = wiring.database(settings)
    good = find(database, Selection(), 10)
    database.run("TRUNCATE TABLE dead_letter_decision")
    database.run(f"ALTER TABLE dead_letter DELETE WHERE offset = {first.offset} SETTINGS mutations_sync = 1")
    assert find(database, Selection(), 10) != good
    done = command(settings, "rebuild", "dead-letters")
    assert done.returncode == 0, done.stderr
    assert f"the first {first.topic} {first.partition} {first.offset}" in done.stdout
    assert find(database, Selection(), 10) == good
    assert counts(database) == {(ACTIVATION, "open"): 1, (ACTIVATION, "discarded"): 1}


def test_answers_are_the_same_and_never_fail_while_tables_change_places(settings: Settings) -> None:
    database, day = wiring.database(settings), dt.date(2100, 1, 1)
    people = active_people(database, [6101], day)
    assert people[6101] > 300
    seen: list[tuple[dict[int, int], int | None]] = []
    failed: list[Exception] = []
    over = threading.Event()

    def ask() -> None:
        mine = wiring.database(settings)
        try:
            while not over.is_set():
                known = active_people_known(mine, 6101, day, BY_NOW, BY_NOW)
                seen.append((active_people(mine, [6101], day), known))
        except Exception as error:
            failed.append(error)

    work = of_settings(settings)
    work.prepare(fresh=True)
    work.catch_up(lambda *_: None)
    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(5):
            work.switch()
            work.new.run("DROP TABLE switching")
    finally:
        over.set()
        asking.join(60)
    work.drop()
    assert failed == []
    assert len(seen) > 5
    assert all(each == (people, people[6101]) for each in seen)


def test_a_switch_that_was_cut_short_is_finished_first(settings: Settings) -> None:
    spoil(settings)
    work = of_settings(settings)
    work.prepare(fresh=True)
    work.catch_up(lambda *_: None)
    new = {row["name"]: row["uuid"] for row in work.new.rows(UUIDS)}
    Switch(work.present, work.new, work.new_name).begin(work.tables)
    for table in ("activation_event", "coverage_day"):  # and then it was killed
        work.present.run(f"EXCHANGE TABLES {table} AND {work.new_name}.{table}")
    done = command(settings, "rebuild", "--fresh")
    assert done.returncode == 0, done.stderr
    assert "finished a switch that had been cut short" in done.stderr
    assert all(uuids(settings)[table] == new[table] for table in tables_of(None))
    assert f"{settings.clickhouse_database}_rebuild" not in databases(settings)
    assert answers(settings) == expected(settings.kafka_bootstrap)


SCRATCH = "CREATE TABLE scratch (x UInt64) ENGINE = MergeTree ORDER BY x;\n"
VIEW = "activation_to_touched_person"
TOUCHED = next(text for each in sql.migrations() for text in each.statements if f"VIEW {VIEW} TO" in text)
CHANNELS = f"""-- rebuilt
-- Through how many channels an office worked on a day.
ALTER TABLE service_day ADD COLUMN channels UInt64;
DROP TABLE scratch;
-- What a worker writes on its way in changes too.
ALTER TABLE touched_person ADD COLUMN source String;
DROP VIEW {VIEW};
{TOUCHED.replace("SELECT run,", "SELECT run, source,")};
"""
LATER = "CREATE TABLE later (x UInt64) ENGINE = MergeTree ORDER BY x;\n"
FILES = {"0097_scratch.sql": SCRATCH, "0098_channels.sql": CHANNELS, "0099_later.sql": LATER}


def version(folder: Path, *migrations: str) -> Path:
    """The package `projections` with these migrations more; with 0098, the query that computes what it adds."""
    shutil.copytree(sql.HERE, folder / "projections", ignore=shutil.ignore_patterns("__pycache__"))
    for name in migrations:
        (folder / "projections" / "migrations" / name).write_text(FILES[name])
    if "0098_channels.sql" in migrations:
        query = folder / "projections" / "queries" / "recompute_service_day.sql"
        text = query.read_text().replace("activated, version)", "activated, channels, version)")
        query.write_text(text.replace("    count()\nFROM", "    uniqExact(channel),\n    count()\nFROM"))
    return folder


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return version(tmp_path / "before", "0097_scratch.sql")


@pytest.fixture
def after(tmp_path: Path) -> Path:
    return version(tmp_path / "after", *FILES)


def columns_of(settings: Settings, table: str) -> list[str]:
    rows = wiring.database(settings).rows(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = %(table)s", {"table": table}
    )
    return [row["name"] for row in rows]


def test_a_changed_projection_is_deployed(settings: Settings, before: Path, after: Path, tmp_path: Path) -> None:
    assert command(settings, "migrate", folder=before).returncode == 0
    with running(settings, "worker", log=tmp_path / "old.log", folder=before) as old:
        refused = command(settings, "migrate", folder=after)
        assert refused.returncode == 3
        assert "0098_channels.sql changes how tables are computed" in refused.stderr
        assert "Run: cakupan rebuild" in refused.stderr
        one = command(settings, "rebuild", "service", folder=after)
        assert one.returncode == 2
        assert "name no PROJECTION" in one.stderr

        dry = command(settings, "rebuild", "--dry-run", folder=after)
        assert dry.returncode == 1, dry.stderr
        assert "service_day.channels: the column is new" in dry.stdout
        assert "scratch: the table is gone" in dry.stdout
        assert "later: the table is new" in dry.stdout
        assert "the new tables and the present ones are the same in all else" in dry.stdout
        assert "channels" not in columns_of(settings, "service_day")

        with running(settings, "rebuild", log=tmp_path / "rebuild.log", folder=after) as work:
            until("it waits", lambda: "Stop the workers of the version before (1 in" in work.said, process=work)
            send(settings.kafka_bootstrap, activated(800, VILLAGES[0]))  # the old ones go on answering
            until("all taken in", caught_up(settings), process=old)
            assert answers(settings) == expected(settings.kafka_bootstrap)
            assert "channels" not in columns_of(settings, "service_day")
            old.stop()
            assert work.process.wait(120) == 0, work.said
    assert answers(settings) == expected(settings.kafka_bootstrap)
    database = wiring.database(settings)
    assert database.rows("SELECT * FROM service_day FINAL WHERE channels = 0") == []
    assert columns_of(settings, "scratch") == []
    assert columns_of(settings, "later") == ["x"]
    assert "source" in columns_of(settings, "touched_person")
    (door,) = database.rows(
        "SELECT create_table_query AS text FROM system.tables"
        " WHERE database = currentDatabase() AND name = 'activation_to_touched_person'"
    )
    assert "run, source" in door["text"]
    assert "_rebuild" not in door["text"]
    assert f"{settings.clickhouse_database}_rebuild" not in databases(settings)
    assert "up to date" in command(settings, "migrate", folder=after).stdout

    send(settings.kafka_bootstrap, activated(801, VILLAGES[1]))
    with running(settings, "worker", log=tmp_path / "new.log", folder=after) as new:
        until("all taken in", caught_up(settings), process=new)
        new.stop()
    assert answers(settings) == expected(settings.kafka_bootstrap)
    assert database.rows("SELECT * FROM service_day FINAL WHERE channels = 0") == []


def test_until_it_is_deployed_a_new_worker_says_what_to_run(settings: Settings, after: Path, tmp_path: Path) -> None:
    offsets = wiring.database(settings).rows(sql.query("positions"))
    send(settings.kafka_bootstrap, activated(810, VILLAGES[0]))
    with running(settings, "worker", log=tmp_path / "new.log", folder=after) as worker:
        assert worker.process.wait(60) == 3
        assert "0098_channels.sql changes how tables are computed" in worker.said
        assert "Run: cakupan rebuild" in worker.said
        assert "Traceback" not in worker.said
    assert wiring.database(settings).rows(sql.query("positions")) == offsets


def test_an_empty_database_takes_the_migration_as_any_other(
    log: KafkaNode, clickhouse: ClickHouseNode, after: Path, tmp_path: Path
) -> None:
    with own_database(log, clickhouse, tmp_path, migrated=False) as settings:
        done = command(settings, "migrate", folder=after)
        assert done.returncode == 0, done.stderr
        assert "channels" in columns_of(settings, "service_day")
        assert columns_of(settings, "scratch") == []


def test_a_table_that_is_not_built_from_the_log_can_not_change_with_a_rebuild(settings: Settings, after: Path) -> None:
    migration = after / "projections" / "migrations" / "0098_channels.sql"
    migration.write_text(CHANNELS + "ALTER TABLE verified ADD COLUMN who String;\n")
    refused = command(settings, "rebuild", "--dry-run", folder=after)
    assert refused.returncode == 2
    assert "run: cakupan migrate" in refused.stderr  # 0097 comes first, and runs in place
    assert command(settings, "migrate", folder=after).returncode == 3
    refused = command(settings, "rebuild", "--dry-run", folder=after)
    assert refused.returncode == 2
    assert "verified is not built from the log" in refused.stderr
