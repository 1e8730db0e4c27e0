"""Alerts from what is wrong to who is told, on the real log: raised once, cleared once, whatever is killed."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient
from fastapi.testclient import TestClient

from api.app import create_app
from api.options import ApiOptions
from api.stream.options import StreamOptions
from cakupan import wiring
from cakupan.alerts.finding import Finding, Key
from cakupan.alerts.hysteresis import Rule
from cakupan.alerts.watch import Find, Told, Watch, Watchman
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from cakupan.settings import Settings
from events import codec
from events.catalogue import ACTIVATION, ALERT, OUTREACH
from projections import alerts as stored
from projections import keys
from projections.clickhouse import Database
from projections.integrity import MISSING, Difference, write_differences
from streams.log_reader import LogReader
from tests.support import command, own_database, own_log, running, until
from tests.test_alert_kinds import TODAY, reported
from tests.test_api_world import NOW, load, put, stand
from tests.test_webhooks import LOOPBACK, Receiver, add

Json = dict[str, Any]
MINUTE = dt.timedelta(minutes=1)
SAMBAS = Key("stall", 6101)
KALBAR = Key("integrity_difference", 61, ACTIVATION)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    with own_log(tmp_path_factory.mktemp("alerts-log")) as node:
        yield node


def partitions(admin: AdminClient) -> dict[int, Any]:
    found: dict[int, Any] = admin.list_topics(ALERT, timeout=20).topics[ALERT].partitions
    return found


@pytest.fixture
def settings(log: KafkaNode, clickhouse: ClickHouseNode, tmp_path: Path) -> Iterator[Settings]:
    """A database of its own, and a topic that begins empty: what is open there is the memory of whoever watches."""
    everything = TopicPartition(ALERT, 0, OFFSET_END)
    admin = AdminClient({"bootstrap.servers": log.bootstrap})
    # A topic just made has no partition for a moment, and then no leader.
    until("the topic has a leader", lambda: any(each.leader >= 0 for each in partitions(admin).values()))
    admin.delete_records([everything])[everything].result(20)
    changed = {"alerts_look_seconds": 0.2, "webhook_allow": LOOPBACK, "webhook_metrics_port": 0}
    with own_database(log, clickhouse, tmp_path) as given:
        yield given.model_copy(update=changed)


@pytest.fixture
def database(settings: Settings) -> Database:
    return wiring.database(settings)


def told(settings: Settings) -> list[Json]:
    """All that stands on the topic, in order."""
    with LogReader(settings.kafka_bootstrap, "test") as reader:
        low, high = reader.bounds((ALERT, 0))
        messages = reader.read({(ALERT, 0): (low, high)})[ALERT, 0]
    events = [codec.decode(each.value(), ALERT) for each in messages]
    for message, event in zip(messages, events, strict=True):
        assert message.key() == str(event.values["region"]).encode()
    return [{"type": event.type.name, **event.values} for event in events]


@dataclass
class Gauge:
    """What a test says is measured, by what it is of; None: nothing can be told."""

    measured: dict[Key, float] = field(default_factory=dict)

    def watch(self, rule: Rule, **more: Any) -> Watch:
        return Watch("stall", lambda *_: [finding(key, value) for key, value in self.measured.items()], rule, **more)


def finding(key: Key, value: float) -> Finding:
    return Finding(key, value, 20.0, 10.0, round(NOW.timestamp() * 1000), f"{value} is measured")


@contextlib.contextmanager
def watching(settings: Settings, *watches: Watch) -> Iterator[Watchman]:
    made = Watchman(settings.kafka_bootstrap, wiring.database(settings), watches or None)
    try:
        made.start()
        yield made
    finally:
        made.close()


def words(found: Told) -> tuple[list[Key], list[Key]]:
    return [each.key for each in found.raised], [each.key for each in found.cleared]


def difference(event: int, region: int = 6101012001, topic: str = ACTIVATION) -> Difference:
    return Difference(topic, MISSING, "activity", event.to_bytes(16, "big"), region, TODAY, 0, event)


def test_an_alert_is_raised_once_cleared_once_and_then_another_one(settings: Settings) -> None:
    gauge = Gauge({SAMBAS: 25.0})
    watch = gauge.watch(Rule(0, 0), by_answers=False)
    with watching(settings, watch) as watchman:
        assert words(watchman.look(NOW)) == ([SAMBAS], [])
        gauge.measured[SAMBAS] = 15.0
        assert words(watchman.look(NOW + MINUTE)) == ([], [])
    with watching(settings, watch) as watchman:  # started anew, it knows what is open
        assert words(watchman.look(NOW + 2 * MINUTE)) == ([], [])
        gauge.measured[SAMBAS] = 10.0
        assert words(watchman.look(NOW + 3 * MINUTE)) == ([], [SAMBAS])
        assert words(watchman.look(NOW + 4 * MINUTE)) == ([], [])
    with watching(settings, watch) as watchman:
        gauge.measured[SAMBAS] = 20.0
        assert words(watchman.look(NOW + 5 * MINUTE)) == ([SAMBAS], [])
    first, over, second = told(settings)
    assert [each["type"] for each in (first, over, second)] == ["AlertRaised", "AlertCleared", "AlertRaised"]
    assert first["alert_id"] == over["alert_id"] != second["alert_id"]
    assert len({each["event_id"] for each in (first, over, second)}) == 3
    assert [(each["measured"], each["threshold"]) for each in (first, over, second)] == [(25, 20), (10, 10), (20, 20)]


def test_two_who_watch_tell_of_the_same_alert(settings: Settings, database: Database) -> None:
    """And a crash after publishing finds it told: what was told is all there is to remember."""
    gauge = Gauge({SAMBAS: 25.0})
    watch = gauge.watch(Rule(0, 0), by_answers=False)
    with watching(settings, watch) as one, watching(settings, watch) as other:
        one.look(NOW)
        other.look(NOW + MINUTE)
    with watching(settings, watch) as after:
        assert list(after.book.open) == [SAMBAS]
        assert words(after.look(NOW + 2 * MINUTE)) == ([], [])
    said = told(settings)
    assert len({each["alert_id"] for each in said}) == 1
    put(database, ALERT, [codec.encode(each.pop("type"), each) for each in said])
    (alert,) = stored.alerts(database, 0)
    assert (alert.state, alert.raised_at, alert.region) == ("raised", NOW.replace(microsecond=0), 6101)


def test_periods_are_kept_and_begin_anew_after_what_nobody_can_tell(settings: Settings, database: Database) -> None:
    gauge = Gauge({SAMBAS: 25.0})
    rule = Rule(2 * 60_000, 60_000)
    with watching(settings, gauge.watch(rule)) as watchman:
        behind = watchman.look(NOW)  # no worker has reported
        assert (behind.unknown, behind.raised, behind.over) == (["stall"], [], [])
        stand(database, ACTIVATION, 10, 10, checked_at=NOW + 10 * MINUTE)
        late = [watchman.look(NOW + n * MINUTE) for n in (9, 10, 13, 14, 15)]
    # The worker's last word is two minutes old at 12: what was seen at 10 does not count at 13.
    assert [each.unknown for each in late] == [[], [], ["stall"], ["stall"], ["stall"]]
    stand(database, ACTIVATION, 10, 10, checked_at=NOW + 30 * MINUTE)
    with watching(settings, gauge.watch(rule)) as watchman:
        found = [words(watchman.look(NOW + n * MINUTE)) for n in (28, 29, 30)]
        assert found == [([], []), ([], []), ([SAMBAS], [])]
        gauge.measured[SAMBAS] = 0.0
        assert words(watchman.look(NOW + 31 * MINUTE)) == ([], [])
        del gauge.measured[SAMBAS]  # nothing can be told of it
        assert words(watchman.look(NOW + 31.5 * MINUTE)) == ([], [])
        gauge.measured[SAMBAS] = 0.0
        assert words(watchman.look(NOW + 31.6 * MINUTE)) == ([], [])
    assert [each["type"] for each in told(settings)] == ["AlertRaised"]


def test_silence_is_told_when_it_lasts_and_never_while_the_answers_are_behind(
    settings: Settings, database: Database
) -> None:
    load(database, [reported("dukcapil-61.07", NOW - (12 - n) * dt.timedelta(hours=1), "61.07") for n in range(12)])
    silent = Key("silence", 6107, "dukcapil-61.07")
    at = NOW + 31 * MINUTE  # an hour and a half of silence after gaps of an hour
    with watching(settings) as watchman:
        assert watchman.look(at).over == []
        stand(database, ACTIVATION, 1, 1, checked_at=at)
        first = watchman.look(at)
        assert ([each.key for each in first.over], first.raised) == ([silent], [])
        stand(database, ACTIVATION, 1, 1, checked_at=at + 10 * MINUTE)
        assert words(watchman.look(at + 10 * MINUTE)) == ([silent], [])
        load(database, [reported("dukcapil-61.07", at + 12 * MINUTE, "61.07")])
        stand(database, ACTIVATION, 1, 1, checked_at=at + 30 * MINUTE)
        found = [words(watchman.look(at + n * MINUTE)) for n in (20, 25, 30)]
    assert found == [([], []), ([], []), ([], [silent])]
    raised, cleared = told(settings)
    assert (raised["measured"], raised["threshold"], raised["subject"]) == (6060.0, 5400.0, "dukcapil-61.07")
    assert (cleared["measured"], cleared["threshold"], cleared["reason"]) == (1080.0, 6180.0, "heard 0.3 h ago")


def test_what_is_due_is_looked_at_and_nothing_else(settings: Settings) -> None:
    looked: list[str] = []

    def find(name: str) -> Find:
        def noting(*_: Any) -> list[Finding]:
            looked.append(name)
            return []

        return noting

    seldom = Watch("stall", find("stall"), Rule(0, 0), every=3, by_answers=False)
    behind = Watch("silence", find("silence"), Rule(0, 0), every=3)
    with watching(settings, seldom, behind) as watchman:
        for _ in range(6):
            watchman.look(NOW)
        assert looked == ["stall", "stall"]
        stand(wiring.database(settings), ACTIVATION, 1, 1, checked_at=NOW)
        watchman.look(NOW)  # the seventh, when the other one is due again too
    assert looked == ["stall", "stall", "stall", "silence"]


def test_the_command_says_what_it_finds(settings: Settings, database: Database) -> None:
    well = command(settings, "alerts", "--once")
    assert well.returncode == 0, well.stderr
    assert "0 alerts are open" in well.stdout
    assert "nothing can be told of: silence, stall, barrier_surge, target_at_risk" in well.stdout
    write_differences(database, {difference(1): NOW, difference(2, 0, OUTREACH): NOW}, still_open=True)
    found = command(settings, "alerts", "--once", "--json")
    assert found.returncode == 1, found.stderr
    answer = json.loads(found.stdout)
    found_in = {(each["kind"], each["region"], each["subject"]) for each in answer["open"]}
    assert found_in == {("integrity_difference", "61", ACTIVATION), ("integrity_difference", "0", OUTREACH)}
    assert {each["measured"] for each in answer["raised"]} == {1.0}
    again = command(settings, "alerts", "--once")
    assert (again.returncode, "2 alerts are open" in again.stdout, "raised" in again.stdout) == (1, True, False)


def test_from_what_is_wrong_to_who_is_told_and_who_has_seen_it(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    receiver = Receiver()
    add(settings, receiver, "alert", "61")
    options = ApiOptions(public_level="regency", share_seconds=0, stream=StreamOptions(settings.kafka_bootstrap))
    now = dt.datetime.now(dt.UTC)
    secret = keys.add(database, "dukcapil-kalbar", 61, 3, now + dt.timedelta(days=1), now)
    with (
        running(settings, "worker", log=tmp_path / "worker.log") as worker,
        running(settings, "webhooks", log=tmp_path / "webhooks.log") as webhooks,
        TestClient(create_app(database, options)) as client,
    ):
        write_differences(database, {difference(1): now, difference(2, 62): now}, still_open=True)
        for _ in range(3):  # killed at any moment, it raises nothing twice and forgets nothing
            with running(settings, "alerts", log=tmp_path / "alerts.log") as watchman:
                until("it is told", lambda: len(told(settings)) >= 2, process=watchman)
                watchman.kill()
        assert [each["type"] for each in told(settings)] == ["AlertRaised"] * 2
        until("it is in the answers", lambda: listed(client, "61", "raised") == ["61"], process=worker)
        assert listed(client, "0", "open") == ["62", "61"] or listed(client, "0", "open") == ["61", "62"]
        (alert,) = client.get("/v1/alerts/61").json()["items"]
        path = f"/v1/alerts/{alert['alert_id']}/acknowledge"
        seen = client.post(path, headers={"X-API-Key": secret})
        assert (seen.status_code, seen.json()["state"]) == (200, "acknowledged"), seen.text
        until("so is that it was seen", lambda: listed(client, "61", "acknowledged") == ["61"], process=worker)
        again = client.post(path, headers={"X-API-Key": secret})
        assert again.json() == seen.json() == client.get("/v1/alerts/61").json()["items"][0]
        write_differences(database, {difference(1): now}, still_open=False)
        with watching(settings) as watchman_:
            watchman_.look(now + 5 * MINUTE)
            watchman_.look(now + 7 * MINUTE)
        until("it is cleared", lambda: listed(client, "61", "cleared") == ["61"], process=worker)
        assert client.post(path, headers={"X-API-Key": secret}).status_code == 409
        until("all of it was sent", lambda: len(receiver.got) >= 3, process=webhooks)
    sent = [json.loads(each.body) for each in receiver.got]
    assert [each["type"] for each in sent] == ["AlertRaised", "AlertAcknowledged", "AlertCleared"]
    assert {each["data"]["alert_id"] for each in sent} == {alert["alert_id"]}
    assert {each["subject"] for each in sent} == {"61"}
    assert sent[1]["data"]["acknowledged_by"] == "dukcapil-kalbar"
    receiver.close()


def listed(client: TestClient, code: str, state: str) -> list[str]:
    answer = client.get(f"/v1/alerts/{code}", params={"state": state}).json()
    return [each["region"]["code"] for each in answer["items"]]
