"""An Avro body read value by value, strictly: the third reader, small and slow.

For bytes that no writer makes. fastavro takes a choice or a branch counted from the end, a number of any length, and a
list whose size in bytes is not true; nothing of that is Avro, and here it is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

LONGEST_VARINT = 10
BITS = {"int": 32, "long": 64}


class Broken(Exception):
    """The bytes are not what the schema says. Its text may hold a number from them: blank it before it is shown."""


def whole(fields: Iterable[dict[str, Any]], raw: bytes, at: int) -> bool:
    """Whether the fields of a record, and nothing else, stand in the bytes from `at` on."""
    body = Body(raw, at)
    try:
        for each in fields:
            body.value(each["type"])
    except Broken:
        return False
    return body.at == len(raw)


class Body:
    """A place in the bytes that moves on as values are read. All readers raise Broken."""

    def __init__(self, raw: bytes, at: int) -> None:
        self.raw = raw
        self.at = at
        self._named: dict[str, Any] = {}
        self._readers: dict[str, Callable[[Any], Any]] = {
            "int": lambda _: self.number(BITS["int"]),
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

    def value(self, kind: Any) -> Any:
        """The next value, of a type as it stands in a schema."""
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
            end = None
            if count < 0:  # a block that gives its size in bytes too
                count, size = -count, self.length()
                end = self.at + size
            if count > len(self.raw):
                raise Broken("a list longer than the record")
            out += [self.value(kind["items"]) for _ in range(count)]
            if end not in (None, self.at):
                raise Broken("a list of another size than it says")
        return out

    def number(self, bits: int = BITS["long"]) -> int:
        shift = number = 0
        for byte in self.raw[self.at : self.at + LONGEST_VARINT]:
            self.at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                if number >> bits:
                    raise Broken(f"a number of more than {bits} bits")
                return (number >> 1) ^ -(number & 1)
            shift += 7
        raise Broken("the bytes end in a number" if shift < 7 * LONGEST_VARINT else "no number")

    def text(self) -> str:
        try:
            return self.take(self.length()).decode()
        except UnicodeDecodeError:
            raise Broken("no UTF-8 text") from None

    def length(self) -> int:
        length = self.number()
        if length < 0:
            raise Broken("a negative length")
        return length

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.raw):
            raise Broken(f"{count} bytes are wanted and {len(self.raw) - self.at} are left")
        self.at += count
        return self.raw[self.at - count : self.at]

    def _choose(self, among: list[Any], what: str) -> Any:
        index = self.number()
        if not 0 <= index < len(among):
            raise Broken(f"{what} {index} of {len(among)}")
        return among[index]
