"""The AsyncAPI 3.0 document: which topics there are, who reads them, what stands in a record. From the catalogue."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from events import access, provinces, regions
from events.catalogue import EVENTS, RECEIPT, TOPICS, EventType, Topic, Version, examples, schema
from events.receipts import Receipt

AVRO = "application/vnd.apache.avro;version=1.9.0"
BINDING = {"bindingVersion": "0.5.0"}
DESCRIPTION = """\
How far Indonesia's Digital Population Identity (IKD) has reached, as events.

Every value of an event is Avro in Confluent framing: a zero byte, the schema id (4 bytes, big-endian), the body. Ids
are fixed and never change; the registry at the server's `schemaRegistryUrl` gives each schema. A newer version of a
schema reads all that older ones wrote (BACKWARD_TRANSITIVE). Records are delivered at least once, in order by key:
`event_id` tells a record that came twice.

A province's subscriber reads the topics of its province, and those that are for everybody. `cakupan subscriber add`
gives it a user and a password; its consumer groups begin with its name and a dot. No event holds a NIK, a name, a
contact or a birth date.
"""
# The province that stands for all where a topic of one is described.
_SAMPLE = 61
_PARAMETER = "{province}"
_SECURITY = "scram"
_WHOLE_NUMBERS = ("retention.ms", "retention.bytes", "max.message.bytes", "delete.retention.ms")

Document = dict[str, Any]


def document(bootstrap: str, registry_url: str) -> Document:
    """The whole document, as JSON has it.

    bootstrap: what subscribers connect to, host:port, comma-separated; empty: no server is named.
    registry_url: where schemas are, as Confluent's clients name it.
    """
    servers = _servers(bootstrap, registry_url)
    shared = {topic.name: topic for topic in TOPICS.values()}
    apart = {_with_parameter(topic.name): topic for topic in provinces.topics_of(_SAMPLE)}
    channels = {_identifier(address): _channel(address, topic, servers) for address, topic in (shared | apart).items()}
    read = [*(_identifier(address) for address in apart), *(name for name in shared if _for_subscribers(name))]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Cakupan",
            "version": "1.0.0",
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/avro",
        **({"servers": servers} if servers else {}),
        "channels": channels,
        "operations": {f"receive.{name}": _operation(name, channels[name]) for name in read},
        "components": {
            "messages": _messages(),
            "parameters": {"province": _province()},
            "securitySchemes": {
                _SECURITY: {
                    "type": "scramSha512",
                    "description": "Over TLS. `cakupan subscriber add` gives user, password and the CA's certificate.",
                }
            },
        },
    }


def _servers(bootstrap: str, registry_url: str) -> Document:
    hosts = [each.strip() for each in bootstrap.split(",") if each.strip()]
    names = ["kafka"] if len(hosts) == 1 else [f"kafka{at}" for at in range(1, len(hosts) + 1)]
    return {
        name: {
            "host": host,
            "protocol": "kafka-secure",
            "description": "The listener for subscribers: TLS, SASL with SCRAM-SHA-512.",
            "security": [{"$ref": f"#/components/securitySchemes/{_SECURITY}"}],
            "bindings": {"kafka": {"schemaRegistryUrl": registry_url, "schemaRegistryVendor": "confluent", **BINDING}},
        }
        for name, host in zip(names, hosts, strict=True)
    }


def _with_parameter(name: str) -> str:
    """`ikd.p61.activation.v1` -> `ikd.p{province}.activation.v1`."""
    return name.replace(f".p{_SAMPLE:02d}.", f".p{_PARAMETER}.", 1)


def _source_of(name: str) -> str:
    """The topic that a province's one comes from; any other is its own."""
    return next((each for each in TOPICS if provinces.name_of(each, _SAMPLE) == name), name)


def _for_subscribers(name: str) -> bool:
    """Whether a subscriber may read the topic of all: one of the whole nation, or everybody where it is public."""
    return name in access.topics_for(regions.region(regions.NATION))


def _identifier(address: str) -> str:
    return address.replace(f"p{_PARAMETER}", "province")


def _channel(address: str, topic: Topic, servers: Mapping[str, Any]) -> Document:
    source = _source_of(topic.name)
    apart = source != topic.name
    channel: Document = {
        "address": address,
        "title": _identifier(address),
        "description": f"{TOPICS[source].doc} {_readers(source, apart)} The key is {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names_of(source)},
        "bindings": {"kafka": _kafka(topic, apart)},
    }
    if apart:
        channel["parameters"] = {"province": {"$ref": "#/components/parameters/province"}}
    if servers and (apart or _for_subscribers(source)):
        channel["servers"] = [{"$ref": f"#/servers/{name}"} for name in servers]
    return channel


def _readers(source: str, apart: bool) -> str:
    if apart:
        return "What concerns one province, for its subscribers."
    if source in provinces.PUBLIC:
        return "For every subscriber."
    if _for_subscribers(source):
        return "For subscribers of the whole nation."
    return "Of the system itself: no subscriber reads it."


def _kafka(topic: Topic, apart: bool) -> Document:
    settings: Document = {name: int(value) if name in _WHOLE_NUMBERS else value for name, value in topic.config.items()}
    settings["cleanup.policy"] = topic.config["cleanup.policy"].split(",")
    named = {} if apart else {"topic": topic.name}
    return {**named, "partitions": topic.partitions, "topicConfiguration": settings, **BINDING}


def _operation(channel: str, described: Mapping[str, Any]) -> Document:
    names = described["messages"]
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": f"Receive records of {described['address']}.",
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
        "bindings": {
            "kafka": {
                "groupId": {"type": "string", "description": "Begins with the subscriber's name and a dot."},
                **BINDING,
            }
        },
    }


def _names_of(source: str) -> list[str]:
    if source == RECEIPT:
        return [Receipt.__name__]
    return [name_of(event, each) for event in EVENTS.values() if event.topic == source for each in event.versions]


def name_of(event: EventType, version: Version) -> str:
    """What a version of a type is called among the messages: `Activated.v2`."""
    return f"{event.name}.v{version.number}"


def _messages() -> Document:
    found = {name_of(event, each): _message(event, each) for event in EVENTS.values() for each in event.versions}
    return found | {Receipt.__name__: _receipt()}


def _message(event: EventType, version: Version) -> Document:
    newest = version is event.newest
    return {
        "name": event.name,
        "title": f"{event.name}, version {version.number}",
        "summary": schema(version.schema_id)["doc"],
        "description": f"Schema id {version.schema_id}, subject `{event.subject}`."
        + ("" if newest else " Older; what is sent today has a newer version."),
        "deprecated": not newest,
        "contentType": "application/avro",
        "headers": headers(event),
        "payload": {"schemaFormat": AVRO, "schema": schema(version.schema_id)},
        "examples": [
            {"name": f"example{at}", "summary": "As JSON: dotted region codes, UUIDs, ISO times.", "payload": each}
            for at, each in enumerate(examples(event, version), 1)
        ],
        "bindings": {
            "kafka": {
                "key": _key(event, version),
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "schemaLookupStrategy": "TopicRecordNameStrategy",
                **BINDING,
            }
        },
    }


def _key(event: EventType, version: Version) -> Document:
    kinds = {each["name"]: each["type"] for each in schema(version.schema_id)["fields"]}
    name = TOPICS[event.topic].key if TOPICS[event.topic].key in kinds else "event_id"
    kind = kinds[name]
    if isinstance(kind, dict) and kind["type"] == "fixed":
        return {"type": "string", "format": "binary", "description": f"The {kind['size']} bytes of {name}."}
    return {"type": "string", "description": f"{name} as text, UTF-8; a number in decimal digits."}


def headers(event: EventType) -> Document:
    """The attributes of CloudEvents, as its Kafka binding has them; what offices send carries none."""
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "CloudEvents, binary mode. In the topics of provinces and in ikd.coverage.v1; elsewhere none.",
        "properties": {
            "ce_specversion": {**text, "const": "1.0"},
            "ce_id": {**text, "format": "uuid", "description": "event_id."},
            "ce_type": {**text, "const": event.name},
            "ce_source": {**text, "description": "source: the office or system that sends."},
            "ce_time": {**text, "format": "date-time", "description": "occurred_at, UTC."},
            "ce_subject": {**text, "description": "Code of the region that the event is about, with dots."},
            "content-type": {**text, "const": "application/avro"},
            "cakupan_offset": {**text, "description": "Topic/partition/offset where the event stands at the source."},
            "cakupan_arrived": {**text, "format": "date-time", "description": "When it arrived there, UTC."},
        },
    }


def _receipt() -> Document:
    given = TypeAdapter(Receipt).json_schema()
    given["required"] = [each.name for each in dataclasses.fields(Receipt)]
    for each in given["properties"].values():
        each.pop("default", None)
    return {
        "name": Receipt.__name__,
        "title": "Receipt",
        "summary": "What a topic held of a region in an hour: docs/receipts.md.",
        "contentType": "application/json",
        "payload": given,
        "bindings": {"kafka": {"key": {"type": "string", "description": "topic|region|hour"}, **BINDING}},
    }


def _province() -> Document:
    named = [each for each in regions.by_number().values() if each.level == "province"]
    codes = [f"{each.number:02d}" for each in sorted(named, key=lambda each: each.number)]
    return {
        "enum": codes,
        "description": "The province's code (Kemendagri), two digits: "
        + ", ".join(f"{each.number:02d} {each.name}" for each in sorted(named, key=lambda each: each.number)),
    }
