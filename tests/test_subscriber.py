"""`cakupan subscriber`, end to end: what it gives opens Kafka and the API, what it takes away closes them."""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, KafkaError, Producer

from cakupan import subscribers, wiring
from cakupan.embedded import tls
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from cakupan.settings import Settings
from events import access, quotas, regions, topics
from events.errors import AccessRefused, ContractError
from events.provinces import topics_of
from projections import keys
from tests.conftest import free_port
from tests.support import command, own_database, running, until
from tests.test_access_kafka import failures, read

OF_61 = tuple(each.name for each in topics_of(61))
PUBLIC = ("ikd.receipt.v1",)


@dataclass
class System:
    """Kafka with its listener for subscribers, and the API with its keys."""

    settings: Settings
    api: httpx.Client

    def run(self, *arguments: str, code: int = 0) -> Any:
        """A command's result as JSON; what it said, where it fails."""
        done = command(self.settings, "subscriber", *arguments, "--json")
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr if code else json.loads(done.stdout)

    def states(self) -> dict[str, str]:
        """Every subscriber and how it stands."""
        return {each.name: each.state for each in subscribers.list_(self.settings)}

    def status(self, path: str, key: str) -> int:
        return self.api.get(path, headers={"Authorization": f"Bearer {key}"}).status_code


@pytest.fixture(scope="module")
def system(clickhouse: ClickHouseNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("system")
    node = KafkaNode(folder / "kafka", port=free_port(), controller_port=free_port(), subscriber_port=free_port())
    node.start()
    node.wait_ready()
    topics.apply(node.bootstrap)
    changed = {"api_port": free_port(), "kafka_subscriber_port": node.subscriber_port}
    with (
        own_database(node, clickhouse, folder) as own,
        running(settings := own.model_copy(update=changed), "serve", log=folder / "api.log") as process,
        wiring.api_client(settings) as api,
    ):
        until("the API answers", lambda: _answers(api), process=process)
        yield System(settings, api)
    node.stop()


def _answers(api: httpx.Client) -> bool:
    try:
        return api.get("/health/live").is_success
    except httpx.TransportError:
        return False


def test_a_province_reads_its_topics_and_its_villages(system: System) -> None:
    made = system.run("add", "61", "--name", "dukcapil-kalbar")
    assert (made["name"], made["region"]) == ("dukcapil-kalbar", "61")
    assert tuple(made["topics"]) == (*OF_61, *PUBLIC)
    assert made["kafka"]["bootstrap.servers"] == system.settings.subscriber_bootstrap
    producer = Producer({"bootstrap.servers": system.settings.kafka_bootstrap})
    for name in made["topics"]:
        producer.produce(name, b"x", key=b"k")
    assert producer.flush(30) == 0
    assert read(made["kafka"], made["topics"]) == dict.fromkeys(made["topics"], "allowed")
    village = "/v1/coverage/61.01.01.2001"
    assert system.api.get(village).status_code == 401
    assert system.status(village, made["api_key"]) == 200
    assert system.status("/v1/coverage/62.01/children", made["api_key"]) == 403
    key = keys.named(wiring.database(system.settings), "dukcapil-kalbar")
    assert key.expires_at.isoformat() == made["expires_at"]
    assert key.expires_at - key.created_at == dt.timedelta(days=365)


def test_a_regency_reads_what_is_public_and_its_villages(system: System) -> None:
    options = ("--days", "7", "--connections", "3", "--bytes-per-second", "20000")
    made = system.run("add", "61.01", "--name", "sambas", *options)
    assert quotas.limits(system.settings.kafka_bootstrap, "sambas")[access.BYTE_RATE] == 20_000
    assert tuple(made["topics"]) == PUBLIC
    assert system.status("/v1/coverage/61.01.01.2001", made["api_key"]) == 200
    assert system.status("/v1/coverage/61.02.01", made["api_key"]) == 403
    key = keys.named(wiring.database(system.settings), "sambas")
    assert (key.region, key.connections, key.expires_at - key.created_at) == (6101, 3, dt.timedelta(days=7))


def test_the_printed_configuration_works_as_it_is(system: System, tmp_path: Path) -> None:
    done = command(system.settings, "subscriber", "add", "61", "--name", "printed")
    assert done.returncode == 0, done.stderr
    assert "Shown once" in done.stderr
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    config = dict(line.split("=", 1) for line in lines)
    assert failures({**config, "log_level": 0}) == set()
    assert Path(config["ssl.ca.location"]).read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert config["group.id"].startswith(access.group_prefix("printed"))
    (asking,) = [line for line in done.stdout.splitlines() if "curl" in line]
    secret, address = asking.split("Bearer ")[1].split("' ")
    assert httpx.get(address, headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    listed = command(system.settings, "subscriber", "list").stdout
    assert "printed" in listed
    assert config["sasl.password"] not in listed + str(system.run("list"))
    assert secret not in listed + str(system.run("list"))


def test_list_rotate_remove(system: System) -> None:
    first = system.run("add", "62", "--name", "kalteng")
    (listed,) = [each for each in system.run("list") if each["name"] == "kalteng"]
    assert (listed["region"], listed["connections"], listed["state"]) == ("62", 10, "well")
    assert set(listed["topics"]) == set(first["topics"])

    second = system.run("rotate", "kalteng", "--days", "30")
    assert second["topics"] == first["topics"]
    village = "/v1/coverage/62.01.01.1011"
    until("the old key is forgotten", lambda: system.status(village, first["api_key"]) == 401)
    assert system.status(village, second["api_key"]) == 200
    assert KafkaError(KafkaError._AUTHENTICATION).name() in failures({**first["kafka"], "log_level": 0})
    assert failures({**second["kafka"], "log_level": 0}) == set()

    assert system.run("remove", "kalteng") == {"removed": "kalteng"}
    until("the key is forgotten", lambda: system.status(village, second["api_key"]) == 401)
    assert KafkaError(KafkaError._AUTHENTICATION).name() in failures({**second["kafka"], "log_level": 0})
    assert "kalteng" not in system.states()
    consumer = Consumer({"bootstrap.servers": system.settings.kafka_bootstrap, "group.id": "x"})
    assert {each.name for each in topics_of(62)} <= consumer.list_topics(timeout=20).topics.keys()
    consumer.close()
    again = system.run("add", "62", "--name", "kalteng")
    assert again["api_key"] not in (first["api_key"], second["api_key"])


def test_what_was_cut_short_is_shown_and_taken_away(system: System) -> None:
    settings, now = system.settings, dt.datetime.now(dt.UTC)
    access.grant(settings.kafka_bootstrap, "half", ["ikd.coverage.v1"])
    keys.add(wiring.database(settings), "other-half", 61, 1, now + dt.timedelta(days=1), now)
    keys.add(wiring.database(settings), "cakupan-lent", 0, 1, now + dt.timedelta(days=1), now)
    states = system.states()
    assert states["half"].startswith("no key")
    assert states["other-half"].startswith("not in Kafka")
    assert "cakupan-lent" not in states
    assert "is taken" in system.run("add", "61", "--name", "half", code=2)
    assert "is taken" in system.run("add", "61", "--name", "other-half", code=2)
    for name in ("half", "other-half"):
        subscribers.remove(settings, name)
    assert not {"half", "other-half"} & system.states().keys()


def test_an_expired_key_is_shown(system: System) -> None:
    settings, now = system.settings, dt.datetime.now(dt.UTC)
    access.grant(settings.kafka_bootstrap, "late", access.topics_for(regions.region(61)))
    keys.add(wiring.database(settings), "late", 61, 1, now - dt.timedelta(days=1), now - dt.timedelta(days=2))
    states = system.states()
    assert states["late"] == "key expired: rotate it"


@pytest.mark.parametrize(
    ("code", "name", "said"),
    [
        ("99", "nobody", "no region has this code"),
        ("Sambas", "nobody", "a region code looks like 61"),
        ("61.01.01", "nobody", "61.01.01 is a district"),
        ("61.01.01.2001", "nobody", "61.01.01.2001 is a village"),
        ("61", "No Body", "for example dukcapil-kalbar"),
        ("61", "ANONYMOUS", "for example dukcapil-kalbar"),
        ("61", "cakupan-worker", "for example dukcapil-kalbar"),
    ],
)
def test_what_can_not_be_is_named(system: System, code: str, name: str, said: str) -> None:
    before = system.states()
    with pytest.raises(ContractError, match=said):
        subscribers.add(system.settings, code, name, days=1, connections=1, byte_rate=10_000)
    assert system.states() == before


def test_a_name_is_taken_once(system: System) -> None:
    subscribers.add(system.settings, "61", "taken", days=1, connections=1, byte_rate=10_000)
    before = system.states()
    assert "taken is taken" in system.run("add", "62", "--name", "taken", code=2)
    assert system.states() == before
    for change in (subscribers.remove, functools.partial(subscribers.rotate, days=1)):
        with pytest.raises(AccessRefused, match=r"there are: .*taken"):
            change(system.settings, "nobody")
    assert system.states() == before


def test_what_is_missing_or_out_of_range_is_named(system: System) -> None:
    assert "--name" in system.run("add", "61", code=2)
    assert "--days" in system.run("add", "61", "--name", "nobody", "--days", "0", code=2)


def test_a_part_that_is_away_is_named(system: System) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    no_kafka = system.settings.model_copy(update={"kafka_bootstrap": nowhere})
    no_clickhouse = system.settings.model_copy(update={"clickhouse_port": free_port()})
    for settings, said in ((no_kafka, nowhere), (no_clickhouse, "no ClickHouse answers")):
        done = command(settings, "subscriber", "add", "61", "--name", "nobody")
        assert (done.returncode, said in done.stderr) == (3, True), done.stderr
        assert "Traceback" not in done.stderr
    assert "nobody" not in system.states()


def test_certificates_for_production(system: System, tmp_path: Path) -> None:
    made = system.run("certificates", str(tmp_path / "tls"), "--host", "kafka.example.go.id", "--host", "10.0.0.7")
    first = Path(made["server"]).read_text()
    assert first.count("BEGIN CERTIFICATE") == 2
    assert first.count("BEGIN PRIVATE KEY") == 1
    assert Path(made["ca"]).read_text() in first
    folder = tmp_path / "tls"
    assert tls.provide(folder, ["kafka.example.go.id", "10.0.0.7"]).server.read_text() == first
    moved = tls.provide(folder, ["other.example.go.id"])
    assert moved.server.read_text() != first
    assert moved.authority.read_text() == Path(made["ca"]).read_text()
    assert moved.authority.read_text() in moved.server.read_text()
    (tmp_path / "file").touch()
    assert "can't be used" in system.run("certificates", str(tmp_path / "file"), "--host", "x", code=2)
