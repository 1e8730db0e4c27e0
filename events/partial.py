"""What can be read of a record that can't be read whole: framing, type, and the fields before it breaks.

For people who look into a dead letter. Small and slow on purpose: it walks the body field by field, where the codec's
readers only say that the whole is no event.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from events import identity
from events.blanking import blanked_text
from events.catalogue import BY_SCHEMA_ID, schema
from events.codec import HEADER_BYTES, MAGIC
from events.jsonform import REGION_FIELDS, iso_ms
from events.regions import by_number, format_code

NIK_DIGITS = 16
ID_BYTES = 16
LONGEST_VARINT = 10
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


class _Broken(Exception):
    """The bytes are not what the schema says."""


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
    fields, stopped = _Body(raw).fields(schema(schema_id)["fields"])
    return Reading(True, schema_id, event.name, version.number, tuple(fields), stopped)


class _Body:
    """A place in the bytes that moves on as values are read."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = HEADER_BYTES
        self._named: dict[str, Any] = {}
        self._readers: dict[str, Callable[[Any], Any]] = {
            "int": lambda _: self.number(),
            "long": lambda _: self.number(),
            "string": lambda _: self.text(),
            "bytes": lambda _: self.take(self.length()),
            "double": lambda _: struct.unpack("<d", self.take(8))[0],
            "boolean": lambda _: self.take(1) != b"\0",
            "null": lambda _: None,
            "fixed": lambda kind: self.take(kind["size"]),
            "enum": self.symbol,
            "array": self.array,
        }

    def fields(self, wanted: list[dict[str, Any]]) -> tuple[list[Field], str]:
        found: list[Field] = []
        for each in wanted:
            start = self.at
            try:
                value = self.value(each["type"])
            except _Broken as error:
                return found, f"{each['name']}, at byte {start}: {error}"
            found.append(Field(each["name"], value, _shown(each, value), start, self.at))
        left = len(self.raw) - self.at
        return found, f"{left} bytes are left over" if left else ""

    def value(self, kind: Any) -> Any:
        if isinstance(kind, list):
            return self.value(self._choose(kind, "branch"))
        if isinstance(kind, dict) and "name" in kind:
            self._named[kind["name"]] = kind
        kind = self._named.get(kind, kind) if isinstance(kind, str) else kind
        return self._readers[kind["type"] if isinstance(kind, dict) else kind](kind)

    def symbol(self, kind: Any) -> Any:
        return self._choose(kind["symbols"], "choice")

    def array(self, kind: Any) -> list[Any]:
        out: list[Any] = []
        while count := self.number():
            if count < 0:  # a block that gives its size in bytes too
                count, _ = -count, self.number()
            if count > len(self.raw):
                raise _Broken("a list longer than the record")
            out += [self.value(kind["items"]) for _ in range(count)]
        return out

    def number(self) -> int:
        shift = number = 0
        for byte in self.raw[self.at : self.at + LONGEST_VARINT]:
            self.at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (number >> 1) ^ -(number & 1)
            shift += 7
        raise _Broken("the bytes end in a number" if shift < 7 * LONGEST_VARINT else "no number")

    def text(self) -> str:
        try:
            return self.take(self.length()).decode()
        except UnicodeDecodeError:
            raise _Broken("no UTF-8 text") from None

    def length(self) -> int:
        length = self.number()
        if length < 0:
            raise _Broken("a negative length")
        return length

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.raw):
            raise _Broken(f"{count} bytes are wanted and {len(self.raw) - self.at} are left")
        self.at += count
        return self.raw[self.at - count : self.at]

    def _choose(self, among: list[Any], what: str) -> Any:
        index = self.number()
        if not 0 <= index < len(among):
            raise _Broken(f"{what} {_hidden(index)} of {len(among)}")
        return among[index]


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
