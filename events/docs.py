"""docs/events.md, written from the catalogue: `python -m events.docs`. A test compares the two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from events.catalogue import EVENTS, TOPICS, EventType, Topic, Version, examples, schema

PATH = Path(__file__).parent.parent / "docs" / "events.md"

HEAD = """# Events

Written from the catalogue by `python -m events.docs`; edit `events/`, not this page.

Every record is Avro in Confluent framing: a zero byte, the schema id (4 bytes, big-endian), the body. Schemas are
served at `/schemas/ids/{id}`. Ids are fixed: they never change, and a consumer may keep them.

Region codes travel as numbers, the Kemendagri code without dots: `61.01.01.2001` is 6101012001, and 0 is the nation.
A parent is then a division, and a subtree a range. Ids of events and people are 16 bytes. Times are UTC in
milliseconds; the broker stamps the time of arrival. The JSON below is the form that `cakupan publish` and
`cakupan import` take: dotted codes, UUID text, ISO times.

No event holds a NIK, a name, a contact or a birth date. Text that holds 16 digits is refused.
"""


SCHEMAS = """## Schemas

A type's schema is a file in `events/schemas`; its id is in `events/catalogue.py` and stands in front of every record.
Neither changes once it was used: a change is the next version, with an id of its own.

**What a new version may do.** It has to read what every older version wrote (BACKWARD_TRANSITIVE): the log keeps its
records for ever, and who begins at its start meets them all.

| change | |
| --- | --- |
| a field added with a default | allowed; the default is what our own tables fill old records with |
| a field removed, a field that may be null now | allowed |
| an enum symbol added | allowed; to `ikd.activation.v1` with a migration that gives it its byte in the tables |
| a wider number: int to long, float or double; long to float or double; float to double | allowed |
| a field or a type renamed, with its old name in `aliases` | allowed |
| a field added without a default | refused |
| a type changed, an enum symbol removed, a name changed, the size of a fixed changed | refused |
| a field that may not be null any more, a choice of a union removed | refused |
| a unit changed: milliseconds to microseconds, a date to a plain number | refused, though Avro would read it |

`events/compatibility.py` compares; the tests run it over the catalogue, and so does `cakupan topics apply` before
anything is done:

```
ikd.activation.v1-id.ikd.activation.Activated: version 3 can't read what version 1 wrote (BACKWARD_TRANSITIVE):
place.village: type changed (string -> long). Allowed are: ...
```

**Where a subscriber finds schemas.** The API answers what Confluent's clients ask of a schema registry, so its address
is their `schema.registry.url`: `/schemas/ids/{id}`, `/subjects`, `/subjects/{subject}/versions/{version}`, `/config`,
`/mode`. It is read-only; `POST /compatibility/subjects/{subject}/versions?verbose=true` says whether a schema would
fit, and which field does not. A subject is the topic and the record's full name (TopicRecordNameStrategy).

**A registry of its own**, where other systems have one: set `CAKUPAN_REGISTRY_URL` to Apicurio's address for
Confluent's clients, such as `http://registry:8080/apis/ccompat/v7` (with `CAKUPAN_REGISTRY_USER` and
`CAKUPAN_REGISTRY_PASSWORD` where it asks who is there). `cakupan topics apply` sets BACKWARD_TRANSITIVE for each
subject, registers what is missing, version by version, and says what it did; `--dry-run` only says. The ids there are
the same, so a subscriber may ask either.

Confluent's API gives ids out by itself, and Apicurio's takes none from a request, in mode IMPORT neither. So a text is
first put under its id by Apicurio's own import (`/apis/registry/v3/admin/import`, which needs an administrator where
roles are on), then registered, which finds the text, checks it and keeps the id. So Apicurio it has to be: of another
registry the command only compares what is there. Give Cakupan a registry that nobody else fills, or one whose own ids
stay clear of the catalogue's: an id that is taken is refused. `make registry` tests all this on Apicurio 3.3.3 with its
data in Kafka.

**For programs and for people.** `/asyncapi.json` and `/asyncapi.yaml` are an AsyncAPI 3.0 document of all topics, event
types, keys and headers, and of how a subscriber connects; `/events` is this page as HTML.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, _table(), SCHEMAS, *(_topic(topic) for topic in TOPICS.values())])


def _table() -> str:
    lines = ["| topic | key | partitions | what |", "| --- | --- | --- | --- |"]
    lines += [f"| `{each.name}` | {each.key} | {each.partitions} | {each.doc} |" for each in TOPICS.values()]
    return "\n".join(lines) + "\n"


def _topic(topic: Topic) -> str:
    settings = ", ".join(f"`{name}={value}`" for name, value in topic.config.items())
    events = [_event(each) for each in EVENTS.values() if each.topic == topic.name]
    return "\n".join([f"## {topic.name}\n", f"{topic.doc}\n\nSettings: {settings}.\n", *events])


def _event(event: EventType) -> str:
    newest = schema(event.newest.schema_id)
    lines = [f"### {event.name}\n", f"{newest['doc']}\n", f"Subject `{event.subject}`; {_versions(event)}.\n"]
    lines += ["| field | type | what |", "| --- | --- | --- |"]
    lines += [f"| `{each['name']}` | {kind_of(each['type'])} | {each['doc']} |" for each in newest["fields"]]
    example = json.dumps(examples(event, event.newest)[0], indent=2, ensure_ascii=False)
    return "\n".join([*lines, f"\n```json\n{example}\n```\n"])


def _versions(event: EventType) -> str:
    return ", ".join(_version(each) for each in event.versions)


def _version(version: Version) -> str:
    filled = "".join(f", read with {name} = {value}" for name, value in version.filled.items())
    return f"version {version.number} has schema id {version.schema_id}{filled}"


def kind_of(kind: Any) -> str:
    """A field's type in words: `one of office, online`, `16 bytes`, `long or null`."""
    if isinstance(kind, list):
        return f"{kind_of(kind[1])} or null"
    if not isinstance(kind, dict):
        return str(kind)
    if kind["type"] == "enum":
        return "one of " + ", ".join(kind["symbols"])
    if kind["type"] == "fixed":
        return f"{kind['size']} bytes"
    if kind["type"] == "array":
        return f"list of {kind_of(kind['items'])}"
    return str(kind.get("logicalType", kind["type"]))


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
