"""`cakupan publish`: one event, or a few."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import typer

from cakupan.importer import importable_types
from cakupan.report import emit_json, out
from cakupan.settings import read_settings
from events import identity, jsonform
from events.catalogue import EVENTS, schema
from events.codec import Event
from events.errors import ContractError
from events.publisher import Publisher

EXAMPLE = (
    "Example: `cakupan publish Activated domicile=61.01.01.2001 channel=office sex=female`\n\n"
    'Example: `echo \'{"type": "Activated", ...}\' | cakupan publish -`'
)


def publish(
    type_: str = typer.Argument(..., metavar="TYPE", help="Event type, or - for JSON lines on standard input."),
    fields: list[str] = typer.Argument(None, metavar="[FIELD=VALUE]...", help="Fields; see docs/events.md."),
    json_: bool = typer.Option(False, "--json", help="Print the event as JSON."),
) -> None:
    """Publish an event. What is left out gets a sensible value: now, a new id, a new person, the domicile's district.

    Example: `cakupan publish Activated domicile=61.01.01.2001 channel=office sex=female`
    """
    now_ms = time.time_ns() // 1_000_000
    given = _from_stdin() if type_ == "-" else [{"type": _known(type_), **_pairs(fields or [])}]
    events = [jsonform.from_json(_complete(each, now_ms), now_ms) for each in given]
    with Publisher(read_settings().kafka_bootstrap, timeout=15) as publisher:
        for event in events:
            publisher.publish(event)
    for event in events:
        _tell(event, json_)


def _known(name: str) -> str:
    if name not in importable_types():
        raise ContractError(f"TYPE: must be one of {', '.join(importable_types())}")
    return name


def _pairs(fields: list[str]) -> dict[str, Any]:
    out_: dict[str, Any] = {}
    for each in fields:
        name, equals, value = each.partition("=")
        if not equals:
            raise ContractError("fields are written FIELD=VALUE, such as domicile=61.01.01.2001")
        out_[name] = value.split(",") if name == "regions" else value
    return out_


def _from_stdin() -> Iterator[dict[str, Any]]:
    for number, line in enumerate(sys.stdin, 1):
        try:
            given = json.loads(line)
        except ValueError:
            raise ContractError(f"line {number} is no JSON") from None
        if not isinstance(given, dict):
            raise ContractError(f"line {number} is no JSON object")
        yield given


def _complete(given: dict[str, Any], now_ms: int) -> dict[str, Any]:
    """Values for what is left out and has no meaning of its own to the sender."""
    event = EVENTS.get(str(given.get("type")))
    if event is None or event.name not in importable_types():
        raise ContractError(f"type: must be one of {', '.join(importable_types())}")
    names = {each["name"] for each in schema(event.newest.schema_id)["fields"]}
    defaults = {
        "event_id": identity.as_text(identity.new_event_id(now_ms)),
        "occurred_at": jsonform.iso_ms(now_ms),
        "source": "cakupan-publish",
        "subject_id": str(uuid.uuid4()),
        "service_region": ".".join(str(given.get("domicile", given.get("region", "0"))).split(".")[:3]),
    }
    return {name: value for name, value in defaults.items() if name in names} | given


def _tell(event: Event, json_: bool) -> None:
    if json_:
        emit_json(jsonform.to_json(event))
        return
    out.print(f"{event.type.name} {identity.as_text(event.values['event_id'])} published to {event.type.topic}")
