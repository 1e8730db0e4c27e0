"""What can be read of a record that can't be read whole: framing, type, and the fields before it breaks.

For people who look into a dead letter. Small and slow on purpose: it walks the body field by field, where the codec's
readers only say that the whole is no event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from events import identity
from events.blanking import blanked_text
from events.catalogue import BY_SCHEMA_ID, schema
from events.codec import HEADER_BYTES, MAGIC
from events.jsonform import REGION_FIELDS, iso_ms
from events.regions import by_number, format_code
from events.walk import Body, Broken

NIK_DIGITS = 16
ID_BYTES = 16
HIDDEN = "#" * NIK_DIGITS


@dataclass(frozen=True)
class Field:
    """A field that could be read: its plain value, and the bytes it was read from."""

    name: str
    value: Any
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Reading:
    """What could be read. `stopped` says where and why it ended, empty where the whole record was read."""

    framed: bool
    schema_id: int | None
    type: str | None
    version: int | None
    fields: tuple[Field, ...]
    stopped: str

    def value(self, name: str) -> Any:
        """The value of a field, None where it could not be read."""
        return next((each.value for each in self.fields if each.name == name), None)


def read(raw: bytes | None) -> Reading:
    """Read as far as it goes. Never raises."""
    if raw is None:
        return Reading(False, None, None, None, (), "the record has no value")
    if len(raw) < HEADER_BYTES or raw[0] != MAGIC:
        return Reading(False, None, None, None, (), "not framed: a zero byte and a 4-byte schema id come first")
    schema_id = int.from_bytes(raw[1:HEADER_BYTES], "big")
    if schema_id not in BY_SCHEMA_ID:
        return Reading(True, schema_id, None, None, (), f"schema id {schema_id} is unknown")
    event, version = BY_SCHEMA_ID[schema_id]
    fields, stopped = _read(schema(schema_id)["fields"], Body(raw, HEADER_BYTES))
    return Reading(True, schema_id, event.name, version.number, tuple(fields), stopped)


def _read(wanted: list[dict[str, Any]], body: Body) -> tuple[list[Field], str]:
    found: list[Field] = []
    for each in wanted:
        start = body.at
        try:
            value = body.value(each["type"])
        except Broken as error:
            return found, f"{each['name']}, at byte {start}: {blanked_text(str(error))}"
        found.append(Field(each["name"], value, _shown(each, value), start, body.at))
    left = len(body.raw) - body.at
    return found, f"{left} bytes are left over" if left else ""


def _shown(field: dict[str, Any], value: Any) -> str:
    """As people read it; digits that look like a NIK are blanked."""
    kind = field["type"]
    if isinstance(value, int) and field["name"] in REGION_FIELDS and value in by_number():
        return format_code(value)
    if isinstance(value, bytes):
        return blanked_text(identity.as_text(value) if len(value) == ID_BYTES else value.hex())
    if isinstance(kind, dict) and kind.get("logicalType") == "timestamp-millis":
        return _time(value)
    if isinstance(value, list):
        return ", ".join(_hidden(each) for each in value)
    return _hidden(value)


def _time(at_ms: int) -> str:
    try:
        return iso_ms(at_ms)
    except (ValueError, OverflowError, OSError):
        return _hidden(at_ms)


def _hidden(value: Any) -> str:
    if isinstance(value, int) and len(str(abs(value))) >= NIK_DIGITS:
        return HIDDEN
    return blanked_text(str(value))
