"""The AsyncAPI document keeps AsyncAPI's own schema, and says what the catalogue, the publisher and the fan-out do."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from api.options import ApiOptions
from events import asyncapi, codec, jsonform, provinces, receipts
from events.catalogue import EVENTS, TOPICS, EventType, Version, examples, schema
from events.publisher import key_of
from projections.clickhouse import Database
from streams import routing
from tests.conftest import free_port
from tests.test_api_registry import NOW, all_versions
from tests.test_api_world import served

ASYNCAPI = Path(__file__).parent / "asyncapi" / "3.0.0.json"
BOOTSTRAP = "kafka.example:9094"
URL = "https://cakupan.example"
DOCUMENT = asyncapi.document(BOOTSTRAP, URL)


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with served(Database("127.0.0.1", free_port()), ApiOptions(subscriber_bootstrap=BOOTSTRAP)) as client:
        yield client


def check(document: Any, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "document.json"
    path.write_text(json.dumps(document))
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(ASYNCAPI), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def resolved(reference: str, document: Any = DOCUMENT) -> Any:
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from references(each)


def test_it_keeps_asyncapis_schema(tmp_path: Path) -> None:
    done = check(DOCUMENT, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert check(asyncapi.document("", URL), tmp_path).returncode == 0
    assert check(asyncapi.document("a:1, b:2", URL), tmp_path).returncode == 0


@pytest.mark.parametrize(
    "path",
    [
        "channels/ikd.activation.v1/address",
        "components/messages/Activated.v2/payload/schema/fields",
        "components/messages/Activated.v2/bindings/kafka/schemaIdLocation",
        "components/securitySchemes/scram/type",
        "operations/receive.ikd.coverage.v1/action",
        "servers/kafka/protocol",
    ],
)
def test_the_schema_sees_what_is_wrong(path: str, tmp_path: Path) -> None:
    broken = copy.deepcopy(DOCUMENT)
    *places, last = path.split("/")
    resolved("/".join(places), broken)[last] = 5
    assert check(broken, tmp_path).returncode == 1


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > len(EVENTS)
    for each in found:
        assert resolved(each)


def test_every_topic_is_a_channel_and_has_its_events() -> None:
    channels = DOCUMENT["channels"]
    for name, topic in TOPICS.items():
        assert channels[name]["address"] == name
        assert channels[name]["bindings"]["kafka"]["partitions"] == topic.partitions
        for event in EVENTS.values():
            for version in event.versions:
                assert (f"{event.name}.v{version.number}" in channels[name]["messages"]) == (event.topic == name)
    for province in (11, 61, 96):
        for topic in provinces.topics_of(province):
            found = [each for each in channels.values() if each["address"].format(province=province) == topic.name]
            assert len(found) == 1
            assert found[0]["parameters"] == {"province": {"$ref": "#/components/parameters/province"}}
    assert len(channels) == len(TOPICS) + len(provinces.topics_of(61))
    assert "61" in DOCUMENT["components"]["parameters"]["province"]["enum"]
    assert len(DOCUMENT["components"]["parameters"]["province"]["enum"]) == 38


def test_a_province_has_the_messages_of_the_topic_it_comes_from() -> None:
    for name in ("activation", "outreach", "coverage", "receipt"):
        ours, apart = (DOCUMENT["channels"][f"ikd.{each}{name}.v1"] for each in ("", "province."))
        assert ours["messages"] == apart["messages"] != {}


def test_a_subscriber_receives_and_what_is_the_systems_own_has_no_operation() -> None:
    operations = DOCUMENT["operations"]
    assert {each["action"] for each in operations.values()} == {"receive"}
    read = {resolved(each["channel"]["$ref"])["address"] for each in operations.values()}
    ours = {"ikd.reference.v1", "ikd.heartbeat.v1", "ikd.dead-letter.v1"}
    assert read == {each["address"] for each in DOCUMENT["channels"].values()} - ours
    for name in ours:
        assert "servers" not in DOCUMENT["channels"][name]


def test_servers_ask_for_a_password_over_tls() -> None:
    (server,) = DOCUMENT["servers"].values()
    assert (server["host"], server["protocol"]) == (BOOTSTRAP, "kafka-secure")
    assert resolved(server["security"][0]["$ref"])["type"] == "scramSha512"
    assert server["bindings"]["kafka"]["schemaRegistryUrl"] == URL
    assert [each["host"] for each in asyncapi.document("a:1, b:2", URL)["servers"].values()] == ["a:1", "b:2"]
    assert "servers" not in asyncapi.document("", URL)


@pytest.mark.parametrize(("event", "version"), all_versions())
def test_a_message_has_the_schema_and_the_examples(event: EventType, version: Version) -> None:
    message = DOCUMENT["components"]["messages"][f"{event.name}.v{version.number}"]
    assert message["payload"] == {"schemaFormat": asyncapi.AVRO, "schema": schema(version.schema_id)}
    assert [each["payload"] for each in message["examples"]] == examples(event, version)
    assert message["deprecated"] == (version is not event.newest)
    assert str(version.schema_id) in message["description"]


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.name)
def test_the_key_is_what_the_publisher_takes(event: EventType) -> None:
    told = DOCUMENT["components"]["messages"][f"{event.name}.v{event.newest.number}"]["bindings"]["kafka"]["key"]
    given = jsonform.from_json(examples(event, event.newest)[0], NOW)
    name = told["description"].split()[4].rstrip(".") if "format" in told else told["description"].split()[0]
    value = given.values[name]
    assert key_of(given) == (value if told.get("format") == "binary" else str(value).encode())


def test_the_headers_are_what_the_fan_out_sends() -> None:
    event = EVENTS["Activated"]
    given = jsonform.from_json(examples(event, event.newest)[0], NOW)
    raw = codec.encode(event.name, given.values)
    (passed,) = routing.route(event.topic, [routing.Record(0, 7, b"k", raw, NOW)], {61})
    told = asyncapi.headers(event)["properties"]
    sent = {name: value.decode() for name, value in passed.headers}
    assert set(sent) == set(told)
    for name, value in sent.items():
        assert told[name].get("const", value) == value


def test_a_receipt_is_described_as_it_stands_in_its_topic() -> None:
    message = DOCUMENT["components"]["messages"]["Receipt"]
    given = receipts.Receipt("ikd.p61.activation.v1", "61.01", "2026-11-25T01:00:00Z", 2, "00", {0: (1, 2)})
    sent = json.loads(given.to_json())
    assert set(message["payload"]["properties"]) == set(message["payload"]["required"]) == set(sent)


def test_it_is_served_as_json_and_as_yaml(http: httpx.Client, tmp_path: Path) -> None:
    told, text = http.get("/asyncapi.json"), http.get("/asyncapi.yaml")
    assert told.headers["content-type"] == "application/vnd.aai.asyncapi+json;version=3.0.0"
    assert text.headers["content-type"].startswith("application/vnd.aai.asyncapi+yaml;version=3.0.0")
    expected = asyncapi.document(BOOTSTRAP, str(http.base_url).rstrip("/"))
    assert told.json() == yaml.safe_load(text.text) == expected
    assert check(told.json(), tmp_path).returncode == 0
    registry = told.json()["servers"]["kafka"]["bindings"]["kafka"]["schemaRegistryUrl"]
    assert httpx.get(f"{registry}/schemas/ids/104").status_code == 200
