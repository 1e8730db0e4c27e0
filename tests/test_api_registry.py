"""The registry's read routes, asked by Confluent's own client and deserializer on a real server."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import fastavro
import httpx
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from events import codec, compatibility, jsonform
from events.catalogue import BY_SCHEMA_ID, EVENTS, EventType, Version, examples, parsed_schema, schema
from projections.clickhouse import Database
from tests.conftest import free_port
from tests.test_api_world import served

NOW = 1_782_000_000_000


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """The registry needs no database: there is none."""
    with served(Database("127.0.0.1", free_port())) as client:
        yield client


@pytest.fixture(scope="module")
def registry(http: httpx.Client) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": str(http.base_url)})


def all_versions() -> list[Any]:
    return [pytest.param(*BY_SCHEMA_ID[each], id=str(each)) for each in sorted(BY_SCHEMA_ID)]


@pytest.mark.parametrize(("event", "version"), all_versions())
def test_confluents_consumer_reads_every_example(
    registry: SchemaRegistryClient, event: EventType, version: Version
) -> None:
    for given in examples(event, version):
        raw = codec.encode(event.name, jsonform.values_of_version(event, version, given, NOW), version)
        read = AvroDeserializer(registry)(raw, SerializationContext(event.topic, MessageField.VALUE))
        expected = fastavro.schemaless_reader(io.BytesIO(raw[5:]), parsed_schema(version.schema_id), None)
        assert read == expected


@pytest.mark.parametrize(("event", "version"), all_versions())
def test_a_schema_is_found_by_id_by_version_and_by_itself(
    registry: SchemaRegistryClient, event: EventType, version: Version
) -> None:
    by_id = registry.get_schema(version.schema_id)
    assert by_id.schema_type == "AVRO"
    assert json.loads(by_id.schema_str) == schema(version.schema_id)
    by_version = registry.get_version(event.subject, version.number)
    assert (by_version.schema_id, by_version.version, by_version.subject) == (
        version.schema_id,
        version.number,
        event.subject,
    )
    spaced = json.dumps(schema(version.schema_id), indent=3)
    looked_up = registry.lookup_schema(event.subject, Schema(spaced, "AVRO"))
    assert (looked_up.schema_id, looked_up.version) == (version.schema_id, version.number)


def test_subjects_and_versions(registry: SchemaRegistryClient) -> None:
    assert registry.get_subjects() == sorted(event.subject for event in EVENTS.values())
    subject = EVENTS["Activated"].subject
    assert subject == "ikd.activation.v1-id.ikd.activation.Activated"
    assert registry.get_versions(subject) == [1, 2]
    assert registry.get_latest_version(subject).schema_id == 114
    assert registry.get_version(subject, 1).schema_id == 104


def test_nothing_can_be_registered(registry: SchemaRegistryClient) -> None:
    with pytest.raises(SchemaRegistryError) as caught:
        registry.register_schema(EVENTS["Activated"].subject, Schema('{"type": "string"}', "AVRO"))
    assert caught.value.error_code == 42205


def test_the_plain_routes(http: httpx.Client) -> None:
    subject = EVENTS["Activated"].subject
    expected: dict[str, Any] = {
        "/schemas/types": ["AVRO"],
        "/schemas/ids/104/schema": schema(104),
        "/schemas/ids/104/subjects": [subject],
        "/schemas/ids/104/versions": [{"subject": subject, "version": 1}],
        f"/subjects/{subject}/versions/2/schema": schema(114),
        f"/subjects/{subject}/versions/latest/schema": schema(114),
        "/config": {"compatibilityLevel": "BACKWARD_TRANSITIVE"},
        f"/config/{subject}": {"compatibilityLevel": "BACKWARD_TRANSITIVE"},
        "/mode": {"mode": "READONLY"},
        f"/mode/{subject}": {"mode": "READONLY"},
        "/contexts": ["."],
        f"/subjects/{subject}/versions/1/referencedby": [],
    }
    for path, body in expected.items():
        answer = http.get(path)
        assert (answer.status_code, answer.json()) == (200, body), path
        assert answer.headers["content-type"] == "application/vnd.schemaregistry.v1+json"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/schemas/ids/9999", 404, 40403),
        ("/schemas/ids/x", 404, 40403),
        ("/schemas/ids/-1/subjects", 404, 40403),
        ("/schemas/ids/9999/versions", 404, 40403),
        ("/subjects/nobody/versions", 404, 40401),
        ("/subjects/nobody/versions/1", 404, 40401),
        ("/config/nobody", 404, 40401),
        ("/mode/nobody", 404, 40401),
        ("/subjects/nobody/versions/1/referencedby", 404, 40401),
        ("/subjects/ikd.activation.v1-id.ikd.activation.Activated/versions/3", 404, 40402),
        ("/subjects/ikd.activation.v1-id.ikd.activation.Activated/versions/0", 422, 42202),
        ("/subjects/ikd.activation.v1-id.ikd.activation.Activated/versions/x", 422, 42202),
    ],
)
def test_errors_are_the_registrys_own(http: httpx.Client, path: str, status: int, code: int) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert answer.headers["content-type"] == "application/vnd.schemaregistry.v1+json"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 42201),
        (b"{}", 42201),
        (b"[1]", 42201),
        (b'{"schema": 5}', 42201),
        (b'{"schema": "{"}', 42201),
        (b"\xff", 42201),
        (b"[" * 100_000, 42201),
        (b"x" * 2_000_000, 42201),
        (b'{"schema": "{\\"type\\": \\"string\\"}"}', 40403),
    ],
)
def test_a_schema_that_is_none_or_unknown(http: httpx.Client, body: bytes, code: int) -> None:
    answer = http.post(f"/subjects/{EVENTS['Activated'].subject}", content=body)
    assert (answer.status_code, answer.json()["error_code"]) == (code // 100, code)


def test_all_that_confluents_client_asks_is_answered(registry: SchemaRegistryClient) -> None:
    subject = EVENTS["Activated"].subject
    assert registry.get_global_mode() == registry.get_mode(subject) == "READONLY"
    assert registry.get_config(subject).compatibility_level.value == compatibility.LEVEL
    assert registry.get_config().compatibility_level.value == compatibility.LEVEL
    assert registry.get_schema_types() == ["AVRO"]
    assert registry.get_contexts() == ["."]
    assert registry.get_subjects_by_schema_id(114) == [subject]
    assert [(each.subject, each.version) for each in registry.get_schema_versions(114)] == [(subject, 2)]
    assert registry.get_referenced_by(subject, 2) == []
    newest = Schema(json.dumps(schema(114)), "AVRO")
    assert registry.test_compatibility(subject, newest)
    assert registry.test_compatibility_all_versions(subject, newest)


def test_a_breaking_schema_is_told_with_its_field(http: httpx.Client, registry: SchemaRegistryClient) -> None:
    given = schema(114)
    later = {**given, "fields": [*given["fields"], {"name": "later", "type": "long"}]}
    text = json.dumps(later)
    subject = EVENTS["Activated"].subject
    assert not registry.test_compatibility_all_versions(subject, Schema(text, "AVRO"))
    answer = http.post(f"/compatibility/subjects/{subject}/versions?verbose=true", json={"schema": text})
    assert answer.json() == {
        "is_compatible": False,
        "messages": ["version 1: later: added without a default", "version 2: later: added without a default"],
    }
    for path, body, code in (
        (f"/compatibility/subjects/{subject}/versions", {"schema": '{"type": "nothing"}'}, 42201),
        (f"/compatibility/subjects/{subject}/versions/7", {"schema": text}, 40402),
        ("/compatibility/subjects/nobody/versions", {"schema": text}, 40401),
    ):
        answer = http.post(path, json=body)
        assert (answer.status_code, answer.json()["error_code"]) == (code // 100, code), path


def test_old_readers_read_what_new_writers_write() -> None:
    """More than the registry's rule asks: who still reads with the older schema is not cut off by a new version."""
    for event in EVENTS.values():
        for old, new in zip(event.versions, event.versions[1:], strict=False):
            values = jsonform.values_of_version(event, new, examples(event, new)[0], NOW)
            raw = io.BytesIO(codec.encode(event.name, values, new)[5:])
            read = fastavro.schemaless_reader(raw, parsed_schema(new.schema_id), parsed_schema(old.schema_id))
            assert isinstance(read, dict)
            assert set(read) == {each["name"] for each in schema(old.schema_id)["fields"]}
