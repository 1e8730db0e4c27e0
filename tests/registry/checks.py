"""The catalogue in a real Apicurio on the real Kafka, read by Confluent's own client. Run by `make registry`."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import fastavro
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cakupan.embedded.kafka import KafkaNode
from cakupan.settings import Settings
from events import codec, compatibility, jsonform, registry
from events.catalogue import BY_SCHEMA_ID, EVENTS, EventType, Version, examples, parsed_schema, schema
from events.errors import IncompatibleSchema, RegistryAway, RegistryRefused
from events.registry import Access, Declared, Registry
from tests.conftest import free_port
from tests.registry.apicurio import Apicurio
from tests.support import command
from tests.test_api_registry import NOW, all_versions

ACTIVATED = EVENTS["Activated"].subject
LATER = {"name": "later", "type": "long", "doc": "Not in the catalogue."}


@pytest.fixture(scope="module")
def apicurio(kafka: KafkaNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apicurio]:
    node = Apicurio(tmp_path_factory.mktemp("apicurio"), kafka.bootstrap, free_port(), free_port())
    node.start()
    yield node
    node.stop()


@pytest.fixture(scope="module")
def access(apicurio: Apicurio) -> Access:
    """A registry with the catalogue in it."""
    found = Access(apicurio.url)
    assert {each.action for each in registry.apply(found, dry_run=True)} == {"registered"}
    assert SchemaRegistryClient({"url": apicurio.url}).get_subjects() == []
    assert {each.action for each in registry.apply(found)} == {"registered"}
    return found


@pytest.fixture
def client(access: Access) -> SchemaRegistryClient:
    """Without a cache of earlier answers."""
    return SchemaRegistryClient({"url": access.url})


def public_key() -> str:
    """Of a key that is forgotten at once."""
    key = rsa.generate_private_key(65537, 2048).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def with_field(schema_id: int, field: dict[str, Any]) -> dict[str, Any]:
    given = schema(schema_id)
    return {**given, "fields": [*given["fields"], field]}


@pytest.mark.parametrize(("event", "version"), all_versions())
def test_a_subscriber_reads_every_example_by_the_id_in_the_record(
    client: SchemaRegistryClient, event: EventType, version: Version
) -> None:
    for given in examples(event, version):
        raw = codec.encode(event.name, jsonform.values_of_version(event, version, given, NOW), version)
        assert int.from_bytes(raw[1:5], "big") == version.schema_id
        read = AvroDeserializer(client)(raw, SerializationContext(event.topic, MessageField.VALUE))
        assert read == fastavro.schemaless_reader(io.BytesIO(raw[5:]), parsed_schema(version.schema_id), None)


def test_subjects_versions_and_the_rule_are_the_catalogues(client: SchemaRegistryClient) -> None:
    assert client.get_subjects() == sorted(event.subject for event in EVENTS.values())
    for event in EVENTS.values():
        assert client.get_versions(event.subject) == [each.number for each in event.versions]
        assert client.get_config(event.subject).compatibility_level.value == compatibility.LEVEL
        for each in event.versions:
            found = client.get_version(event.subject, each.number)
            assert (found.schema_id, json.loads(found.schema.schema_str)) == (each.schema_id, schema(each.schema_id))


def test_applying_again_changes_nothing(access: Access) -> None:
    assert {each.action for each in registry.apply(access)} == {"as declared"}


def test_a_rule_that_was_loosened_is_set_again(access: Access, client: SchemaRegistryClient) -> None:
    client.set_compatibility(ACTIVATED, "NONE")
    told = [each for each in registry.apply(access) if each.action != "as declared"]
    assert [(each.subject, each.detail) for each in told] == [(ACTIVATED, "compatibility NONE -> BACKWARD_TRANSITIVE")]
    assert client.get_config(ACTIVATED).compatibility_level.value == compatibility.LEVEL


def test_a_breaking_schema_is_refused_before_anything_is_sent(access: Access, client: SchemaRegistryClient) -> None:
    breaking = Declared(ACTIVATED, 3, 9003, with_field(114, LATER))
    with pytest.raises(IncompatibleSchema, match=r"Activated: version 3 .* version 1 .*later: added without a default"):
        registry.apply(access, wanted=[*registry.declared(), breaking])
    assert client.get_versions(ACTIVATED) == [1, 2]


def test_the_registry_itself_refuses_it_and_the_field_is_named(access: Access, client: SchemaRegistryClient) -> None:
    at = len(schema(114)["fields"])
    with pytest.raises(IncompatibleSchema, match=rf"refuses version 3 .*later at field later, /fields/{at}"):
        Registry(access).register(Declared(ACTIVATED, 3, 9003, with_field(114, LATER)))
    number = {**LATER, "name": "source", "type": "long"}
    fields = [number if each["name"] == "source" else each for each in schema(114)["fields"]]
    with pytest.raises(IncompatibleSchema, match=r"LONG.*field source, /fields/3"):
        Registry(access).register(Declared(ACTIVATED, 3, 9003, {**schema(114), "fields": fields}))
    with pytest.raises(SchemaRegistryError) as caught:
        client.register_schema(ACTIVATED, Schema(json.dumps(with_field(114, LATER)), "AVRO"))
    assert caught.value.http_status_code == 409
    assert client.get_versions(ACTIVATED) == [1, 2]


def test_a_version_that_was_edited_is_refused_with_the_field(access: Access) -> None:
    edited = [
        replace(each, schema=with_field(201, LATER)) if each.schema_id == 201 else each for each in registry.declared()
    ]
    with pytest.raises(IncompatibleSchema, match=r"OutreachPlanned: version 1 .*later: added without a default"):
        registry.apply(access, wanted=edited)
    harmless = [replace(each, schema={**each.schema, "doc": "Another."}) for each in registry.declared()]
    with pytest.raises(RegistryRefused, match="a version never changes"):
        registry.apply(access, wanted=harmless)


def test_an_id_that_is_taken_is_refused_and_nothing_is_registered(access: Access, client: SchemaRegistryClient) -> None:
    other = {"type": "record", "name": "Other", "fields": [{"name": "a", "type": "long"}]}
    with pytest.raises(RegistryRefused, match="schema id 104 is taken"):
        registry.apply(access, wanted=[Declared("other", 1, 104, other)])
    taken = client.register_schema("foreign", Schema(json.dumps(other), "AVRO"))
    assert taken not in BY_SCHEMA_ID
    with pytest.raises(RegistryRefused, match=f"id {taken + 7} stands there under another id"):
        registry.apply(access, wanted=[Declared("other", 1, taken + 7, other)])
    with pytest.raises(RegistryRefused, match=f"has schema id {taken}, and records carry {taken + 7}"):
        registry.apply(access, wanted=[Declared("foreign", 1, taken + 7, other)])
    assert client.get_subjects() == sorted([*(event.subject for event in EVENTS.values()), "foreign"])


def test_a_new_version_is_added_under_its_id(access: Access, client: SchemaRegistryClient) -> None:
    first = {"type": "record", "name": "Grown", "fields": [{"name": "a", "type": "int"}]}
    second = {**first, "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string", "default": ""}]}
    versions = [Declared("grown", 1, 9101, first), Declared("grown", 2, 9102, second)]
    assert [each.action for each in registry.apply(access, wanted=versions[:1])] == ["registered"]
    Registry(access).reserve(versions[1:])  # and killed after it
    assert [each.action for each in registry.apply(access, wanted=versions)] == ["as declared", "registered"]
    words = Declared("grown", 3, 9103, {**second, "doc": "Other words."})
    with pytest.raises(RegistryRefused, match=r"got schema id 9102 there.*differs in its words alone"):
        registry.apply(access, wanted=[*versions, words])
    assert client.get_latest_version("grown").schema_id == 9102
    with pytest.raises(RegistryRefused, match="has a version 2, and the catalogue ends at 1"):
        registry.apply(access, wanted=[Declared("grown", 1, 9101, first)])


def test_the_command_says_what_it_did(kafka: KafkaNode, access: Access) -> None:
    settings = Settings(kafka_bootstrap=kafka.bootstrap, registry_url=access.url)
    first = command(settings, "topics", "apply")
    assert first.returncode == 0, first.stderr
    assert f"{ACTIVATED} version 2, schema id 114" in " ".join(first.stdout.split())
    again = json.loads(command(settings, "topics", "apply", "--json").stdout)
    assert {each["action"] for each in [*again["topics"], *again["schemas"]]} == {"as declared"}


def test_what_was_registered_outlives_the_registry(apicurio: Apicurio, access: Access) -> None:
    apicurio.stop()
    with pytest.raises(RegistryAway, match="CAKUPAN_REGISTRY_URL"):
        registry.apply(access)
    apicurio.start()
    assert {each.action for each in registry.apply(access)} == {"as declared"}


def test_who_is_not_let_in_is_told_so(kafka: KafkaNode, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Apicurio with authentication on: a key that nobody here has signs its tokens."""
    settings = {
        "APICURIO_STORAGE_KIND": "sql",
        "QUARKUS_OIDC_TENANT_ENABLED": "true",
        "QUARKUS_OIDC_PUBLIC_KEY": public_key(),
        "APICURIO_AUTH_ENABLED": "true",
    }
    node = Apicurio(tmp_path_factory.mktemp("closed"), kafka.bootstrap, free_port(), free_port(), settings)
    node.start()
    try:
        with pytest.raises(RegistryRefused, match=r"does not let us in \(HTTP 401\)"):
            registry.apply(Access(node.url))
        with pytest.raises(RegistryRefused, match=r"does not let us in \(HTTP 401\)"):
            registry.apply(Access(node.url, "somebody", "wrong"))
    finally:
        node.stop()
