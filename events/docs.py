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


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, _table(), *(_topic(topic) for topic in TOPICS.values())])


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
    lines += [f"| `{each['name']}` | {_type(each['type'])} | {each['doc']} |" for each in newest["fields"]]
    example = json.dumps(examples(event, event.newest)[0], indent=2, ensure_ascii=False)
    return "\n".join([*lines, f"\n```json\n{example}\n```\n"])


def _versions(event: EventType) -> str:
    return ", ".join(_version(each) for each in event.versions)


def _version(version: Version) -> str:
    filled = "".join(f", read with {name} = {value}" for name, value in version.filled.items())
    return f"version {version.number} has schema id {version.schema_id}{filled}"


def _type(kind: Any) -> str:
    if isinstance(kind, list):
        return f"{_type(kind[1])} or null"
    if not isinstance(kind, dict):
        return str(kind)
    if kind["type"] == "enum":
        return "one of " + ", ".join(kind["symbols"])
    if kind["type"] == "fixed":
        return f"{kind['size']} bytes"
    if kind["type"] == "array":
        return f"list of {_type(kind['items'])}"
    return str(kind.get("logicalType", kind["type"]))


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
