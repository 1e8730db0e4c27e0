"""The proof while it runs: what is lost, doubled or invented in the tables is named, and mended from the log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from cakupan import recount, wiring
from cakupan.rebuild import Rebuild
from cakupan.settings import Settings
from events import codec, identity, jsonform, regions
from events.catalogue import ACTIVATION, DEAD_LETTER, EVENTS, examples
from events.codec import Event
from events.publisher import Publisher
from projections import activation, answers, catalogue, integrity, position
from projections.clickhouse import Database
from projections.integrity import Difference
from streams import audit
from streams.audit import Auditor
from streams.log_reader import LogReader
from tests.support import command, running, until
from tests.test_worker import VILLAGE, activated, caught_up, expected, log, now_ms, send, settings
from tests.test_worker import answers as coverage

__all__ = ["log", "settings"]


@pytest.fixture
def auditor(settings: Settings) -> Iterator[Auditor]:
    with LogReader(settings.kafka_bootstrap, "test-audit") as reader:
        auditor = Auditor(wiring.database(settings), reader)
        auditor.start()
        yield auditor


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables that were searched everywhere, in order, for what a slice seemed to lack."""
    tables: list[str] = []
    search = integrity.lost

    def noted(database: Database, run: int, topic: str, table: str) -> list[Difference]:
        tables.append(table)
        return search(database, run, topic, table)

    monkeypatch.setattr(integrity, "lost", noted)
    return tables


def settled(auditor: Auditor, settings: Settings) -> set[Difference]:
    """What differs once all was looked at."""
    auditor.settle()
    return set(integrity.open_differences(wiring.database(settings)))


def take_in(settings: Settings) -> None:
    """The log into the tables, by what a rebuild does: quicker to start than a worker."""
    database = wiring.database(settings)
    Rebuild(settings.kafka_bootstrap, database, database, settings.clickhouse_database).catch_up(lambda *_: None)


def proved(settings: Settings) -> bool:
    """Every answer says: verified up to where it is."""
    place = answers.log_place(wiring.database(settings))
    wanted = {(each.topic, each.partition): each.next for each in place.taken if each.topic != DEAD_LETTER}
    there = {(each.topic, each.partition): each.next for each in place.verified}
    return there == {key: end for key, end in wanted.items() if end or key in there}


def one_event(settings: Settings) -> dict[str, Any]:
    return wiring.database(settings).rows(
        "SELECT hex(event_id) AS id, domicile, toDate(occurred_at, 'Asia/Jakarta') AS day FROM activation_event"
        " ORDER BY event_id LIMIT 1"
    )[0]


def delete(settings: Settings, table: str, event_id: str) -> None:
    wiring.database(settings).run(
        f"ALTER TABLE {table} DELETE WHERE hex(event_id) = %(id)s SETTINGS mutations_sync = 2", {"id": event_id}
    )


def right(settings: Settings) -> None:
    """The answers are what a plain recount of the log says."""
    assert coverage(settings) == expected(settings.kafka_bootstrap)


def test_all_that_was_taken_in_is_proved(settings: Settings, auditor: Auditor, tmp_path: Path) -> None:
    send(settings.kafka_bootstrap, *(activated(person, VILLAGE + person % 3) for person in range(300)))
    with Publisher(settings.kafka_bootstrap) as publisher:
        publisher.send(ACTIVATION, b"k", b"no event")  # a dead letter: counted as refused, missed by nobody
    with running(settings, "worker", log=tmp_path / "worker.log") as worker:
        until("all taken in", caught_up(settings), process=worker)
    assert settled(auditor, settings) == set()
    assert proved(settings)
    checked = integrity.audited(wiring.database(settings))
    log = recount.read_log(settings.kafka_bootstrap)
    ids = [each.values["event_id"] for each in log.events.values() if EVENTS[each.name].topic == ACTIVATION]
    of_topic = [each for (topic, _), each in checked.items() if topic == ACTIVATION]
    assert sum(each.refused for each in of_topic) == sum(1 for topic, _, _ in log.refused if topic == ACTIVATION)
    assert sum(each.events for each in of_topic) >= len(ids)  # records: one sent twice is two of them


def test_a_restarted_auditor_goes_on_where_it_was(settings: Settings, auditor: Auditor) -> None:
    send(settings.kafka_bootstrap, activated(1))
    take_in(settings)
    settled(auditor, settings)
    before = integrity.audited(wiring.database(settings))
    auditor.start()
    assert auditor.round().records == 0
    assert integrity.audited(wiring.database(settings)) == before


@pytest.mark.parametrize("table", ["activation_event", "activity"])
def test_a_lost_event_is_named_and_mended(table: str, settings: Settings, auditor: Auditor) -> None:
    send(settings.kafka_bootstrap, *(activated(person) for person in range(20)))
    take_in(settings)
    settled(auditor, settings)
    event = one_event(settings)
    delete(settings, table, event["id"])
    (lost,) = settled(auditor, settings)
    assert (lost.kind, lost.held_by, lost.topic) == ("missing", table, ACTIVATION)
    assert (lost.region, lost.day, lost.event_id.hex().upper()) == (event["domicile"], event["day"], event["id"])
    assert record_at(settings, lost) == lost.event_id
    place = answers.log_place(wiring.database(settings))
    assert {(e.topic, e.partition): e.next for e in place.verified}[lost.topic, lost.partition] == lost.offset
    done = command(settings, "repair")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 differences mended" in done.stdout
    assert settled(auditor, settings) == set()
    assert proved(settings)
    right(settings)


def test_an_event_that_was_never_taken_in_is_named_at_once(settings: Settings, auditor: Auditor) -> None:
    """The worker says that it has come so far, and the event is in no table: a batch skipped, say."""
    send(settings.kafka_bootstrap, activated(7))
    take_in(settings)
    database = wiring.database(settings)
    for table in ("activation_event", "activity"):
        database.run(f"TRUNCATE TABLE {table}")
    found = auditor.round().found
    assert {each.held_by for each in found} == {"activation_event", "activity"}
    assert {each.kind for each in found} == {"missing"}
    assert not proved(settings)
    assert command(settings, "repair").returncode == 0
    assert settled(auditor, settings) == set()
    assert proved(settings)
    right(settings)


def test_rows_that_no_record_stands_for_are_named_and_taken_out(settings: Settings, auditor: Auditor) -> None:
    send(settings.kafka_bootstrap, *(activated(person) for person in range(20)))
    take_in(settings)
    settled(auditor, settings)
    database = wiring.database(settings)
    invented = [activated(900 + each, VILLAGE + each % 2) for each in range(3)]
    invent(database, *invented)
    assert coverage(settings) != expected(settings.kafka_bootstrap)
    found = settled(auditor, settings)
    assert {(each.kind, each.held_by) for each in found} == {
        ("unexpected", "activation_event"),
        ("unexpected", "activity"),
    }
    assert {each.event_id for each in found} == {each.values["event_id"] for each in invented}
    assert not proved(settings)
    assert command(settings, "repair", "--dry-run").returncode == 1
    done = command(settings, "repair")
    assert done.returncode == 0, done.stdout + done.stderr
    assert settled(auditor, settings) == set()
    assert proved(settings)
    right(settings)
    assert database.rows("SELECT 1 FROM person_day FINAL WHERE version = 0") == []


def test_two_rows_under_one_id_are_named_and_mended(settings: Settings, auditor: Auditor) -> None:
    """And a person whose id is all zeros, as rows of nobody are, keeps counting in the village next door."""
    doubled = activated(801, VILLAGE + 4)
    send(settings.kafka_bootstrap, activated(0), doubled)
    take_in(settings)
    settled(auditor, settings)
    database = wiring.database(settings)
    event = {"id": doubled.values["event_id"].hex().upper()}
    database.run(
        "INSERT INTO activation_event SELECT * REPLACE toFixedString('somebody else...', 16) AS subject_id"
        " FROM activation_event WHERE hex(event_id) = %(id)s",
        {"id": event["id"]},
    )
    (found,) = settled(auditor, settings)
    assert (found.kind, found.held_by, found.event_id.hex().upper()) == ("doubled", "activation_event", event["id"])
    assert record_at(settings, found) == found.event_id
    assert command(settings, "repair").returncode == 0
    assert settled(auditor, settings) == set()
    right(settings)


def invent(database: Database, *events: Event) -> None:
    """Rows that no record of the log stands for, recomputed as a worker does."""
    records = [codec.encode("Activated", each.values) for each in events]
    run = catalogue.new_run()
    catalogue.insert(
        database, ACTIVATION, codec.decode_batch(ACTIVATION, records, [now_ms()] * len(records)).frames, run
    )
    activation.recompute(database, run)


def test_of_a_large_base_a_slice_is_looked_up_by_its_people(
    settings: Settings, auditor: Auditor, searched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is compared by the sweep alone. What is lost is named at once, and who was erased is not missed: their
    events are found by the hash, and the base is not searched for them."""
    monkeypatch.setattr(audit, "PART_EVENTS", 2)
    auditor._sweep_due = float("inf")
    gone = activated(5)
    base = jsonform.from_json(examples(EVENTS["SubjectErased"], EVENTS["SubjectErased"].newest)[0], now_ms())
    now = {name: gone.values[name] for name in ("subject_id", "domicile", "occurred_at", "recorded_at")}
    erased = Event(base.type, {**base.values, **now, "event_id": identity.new_event_id(now_ms())})
    send(settings.kafka_bootstrap, *(activated(person) for person in range(4)), gone, erased)
    take_in(settings)
    assert auditor.round().found == []
    assert searched == []
    invent(wiring.database(settings), activated(900))
    lost = activated(6)
    send(settings.kafka_bootstrap, lost)
    take_in(settings)
    delete(settings, "activation_event", lost.values["event_id"].hex().upper())
    found = auditor.round().found + auditor.round().found
    assert {(each.kind, each.held_by) for each in found} == {
        ("missing", "activation_event"),
        ("unexpected", "activity"),
    }
    assert searched == ["activation_event"]
    assert ("unexpected", "activation_event") in {(each.kind, each.held_by) for each in settled(auditor, settings)}


def test_a_later_slice_is_looked_for_in_what_was_written_lately(
    settings: Settings, auditor: Auditor, searched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever merges, and whatever comes again. What is not there is looked for everywhere."""
    auditor._sweep_due = float("inf")
    behind: list[int] = []
    held = integrity.held

    def looked(database: Database, run: int, topic: str, table: str, seen: int) -> dict[int, integrity.Sum]:
        if table == "activation_event":
            behind.append(seen)
        return held(database, run, topic, table, seen)

    monkeypatch.setattr(integrity, "held", looked)
    database = wiring.database(settings)
    first = [activated(person) for person in range(4)]
    for again in ([], first[:1], first):
        send(settings.kafka_bootstrap, *again, *(activated(10 * len(behind) + 5 + each) for each in range(3)))
        take_in(settings)
        assert auditor.round().found == []
        database.run("OPTIMIZE TABLE activation_event FINAL")
    assert integrity.EVERYWHERE == behind[0] < behind[1] < behind[2]
    assert searched == []
    gone = activated(90)
    send(settings.kafka_bootstrap, gone, activated(91))
    take_in(settings)
    delete(settings, "activation_event", gone.values["event_id"].hex().upper())
    (found,) = auditor.round().found
    assert (found.kind, found.held_by, found.event_id) == ("missing", "activation_event", gone.values["event_id"])
    assert searched == ["activation_event"]


def test_nothing_is_alarmed_about_while_events_come_in(settings: Settings, auditor: Auditor, tmp_path: Path) -> None:
    """The tables are always ahead of what the auditor has read: that is no difference."""
    found = []
    with running(settings, "worker", log=tmp_path / "worker.log") as worker:
        for batch in range(15):
            send(settings.kafka_bootstrap, *(activated(batch * 50 + each, VILLAGE + each % 3) for each in range(50)))
            auditor._sweep_due = 0.0
            found += auditor.round().found
        until("all taken in", caught_up(settings), process=worker)
    assert found == []
    assert settled(auditor, settings) == set()
    assert proved(settings)


def test_a_long_pause_ends_when_the_worker_has_caught_up(
    settings: Settings, auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is behind the auditor leaves it the machine; then it must not sleep out what it had planned."""
    monkeypatch.setattr(audit, "SLICE_RECORDS", 10)
    monkeypatch.setattr(auditor, "_share", 1e-9)
    send(settings.kafka_bootstrap, *(activated(person) for person in range(20)))
    take_in(settings)
    behind(settings, 1)
    rests: list[float] = []

    def stop(seconds: float) -> bool:
        rests.append(seconds)
        if len(rests) == 5:
            assert sum(each.position for each in integrity.audited(wiring.database(settings)).values()) == 10
            behind(settings, 0)
            monkeypatch.setattr(audit, "SLICE_RECORDS", 100_000)
        return len(rests) == 5000 or proved(settings)

    audit.watch(auditor, stop)
    assert proved(settings)
    assert max(rests) <= audit.REST_STEP


def behind(settings: Settings, records: int) -> None:
    """The worker says that it is so far behind in one partition."""
    database, now = wiring.database(settings), dt.datetime.now(dt.UTC)
    first = next(each for each in answers.log_place(database).taken if each.topic == ACTIVATION)
    row = position.Row(first.topic, first.partition, first.next, first.next + records, first.record_at, now)
    position.write(database, [row])


def test_the_process_tells_and_the_api_shows(settings: Settings, tmp_path: Path) -> None:
    send(settings.kafka_bootstrap, *(activated(person) for person in range(20)))
    take_in(settings)
    with running(settings, "audit", log=tmp_path / "audit.log") as process:
        until("proved", lambda: proved(settings), process=process)
        event = one_event(settings)
        delete(settings, "activation_event", event["id"])
        until("named", lambda: "missing in activation_event" in process.said, process=process)
        with TestClient(create_app(wiring.database(settings))) as client:
            answer = client.get("/v1/integrity").json()
            (row,) = answer["differences"]
            assert (answer["status"], answer["open"]) == ("different", 1)
            region = regions.format_code(event["domicile"])
            assert (row["kind"], row["region"], row["day"]) == ("missing", region, event["day"].isoformat())
            assert row["first_offset"] == row["last_offset"] is not None
            (day,) = client.get(f"/v1/integrity/{region}?from={row['day']}&to={row['day']}").json()["days"]
            assert not day["same"]
            assert day["log"]["events"] == day["tables"]["activation_event"]["events"] + 1
            assert day["log"] == day["tables"]["activity"]
            assert (
                'cakupan_integrity_differences{kind="missing",topic="ikd.activation.v1"} 1.0'
                in client.get("/metrics").text
            )
            assert client.get("/v1/integrity/61.01?from=2024-02-01&to=2024-01-01").status_code == 422
            assert command(settings, "repair").returncode == 0
            until("mended", lambda: "1 differences are mended" in process.said, process=process)
            until("proved again", lambda: proved(settings), process=process)
            answer = client.get("/v1/integrity").json()
            assert (answer["status"], answer["open"], answer["differences"]) == ("verified", 0, [])
            data = client.get("/v1/coverage/61.01").json()["data"]
            assert data["verified_up_to"] == {
                topic: {number: end for number, end in ends.items() if end}
                for topic, ends in data["position"].items()
                if topic != DEAD_LETTER and any(ends.values())
            }
            assert data["verified_at"] is not None
        assert process.stop() == 0


def record_at(settings: Settings, found: Difference) -> bytes:
    """The event id of the record that a difference names."""
    with LogReader(settings.kafka_bootstrap, "test") as reader:
        place = found.topic, found.partition
        (message,) = reader.read({place: (found.offset, found.offset + 1)})[place]
        event_id: bytes = codec.decode(message.value(), found.topic).values["event_id"]
        return event_id


def test_a_sweep_in_many_steps_comes_to_its_end(
    settings: Settings, auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each step takes longer than one may."""
    send(settings.kafka_bootstrap, activated(1))
    take_in(settings)
    monkeypatch.setattr(audit, "SWEEP_STEP_SECONDS", 0.0)
    swept = 0
    for _ in range(20):
        auditor._sweep_due = 0.0
        swept += auditor.round().swept
    assert swept >= 2


def test_more_than_can_be_listed_is_not_mended(
    settings: Settings, auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(settings.kafka_bootstrap, *(activated(person) for person in range(20)))
    take_in(settings)
    settled(auditor, settings)
    database = wiring.database(settings)
    database.run("TRUNCATE TABLE activity")
    found = settled(auditor, settings)
    assert len(found) > 2
    monkeypatch.setattr(integrity, "MOST_LISTED", 2)
    assert integrity.still(database, found) == found


def test_regions_and_days_may_be_many(settings: Settings) -> None:
    """Twenty thousand of them, and as many events to take out: more text than a statement usually may have."""
    database = wiring.database(settings)
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=day) for day in range(100)]
    pairs = [integrity.Pair(VILLAGE + region, day) for region in range(200) for day in days]
    assert integrity.examine(database, ACTIVATION, "activity", pairs) == []
    ids = [number.to_bytes(16, "big") for number in range(20_000)]
    integrity.remove(database, ACTIVATION, catalogue.new_run(), ids)
