"""Where a native block ends: cutting it out of a stream by its columns' widths, without decoding a value."""

import re
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cakupan.embedded.wire import Reader, text, varint

Columns = list[tuple[str, str]]  # (name, type as ClickHouse writes it)


class UnsupportedType(Exception):
    """The width of this type's values isn't known here."""


class Layout(Protocol):
    """How the values of one type lie in a block: a prefix once per column, then the values."""

    def skip_prefix(self, reader: Reader) -> None: ...

    def skip(self, reader: Reader, rows: int) -> None: ...


@dataclass(frozen=True)
class Fixed:
    """`width` bytes a value."""

    width: int

    def skip_prefix(self, reader: Reader) -> None:
        """There is none."""

    def skip(self, reader: Reader, rows: int) -> None:
        reader.skip(self.width * rows)


@dataclass(frozen=True)
class Text:
    """A length, then as many bytes."""

    def skip_prefix(self, reader: Reader) -> None:
        """There is none."""

    def skip(self, reader: Reader, rows: int) -> None:
        while rows:
            rows -= _skip_equal_texts(reader, rows)
            few = min(rows, 4096)
            _skip_texts(reader, few)
            rows -= few


@dataclass(frozen=True)
class Nullable:
    """A byte a value that says which are null, then the values."""

    inner: Layout

    def skip_prefix(self, reader: Reader) -> None:
        self.inner.skip_prefix(reader)

    def skip(self, reader: Reader, rows: int) -> None:
        reader.skip(rows)
        self.inner.skip(reader, rows)


@dataclass(frozen=True)
class Array:
    """Ends of the arrays as running totals, then all their items."""

    inner: Layout

    def skip_prefix(self, reader: Reader) -> None:
        self.inner.skip_prefix(reader)

    def skip(self, reader: Reader, rows: int) -> None:
        if not rows:
            return
        reader.skip(8 * (rows - 1))
        self.inner.skip(reader, reader.uint64())


@dataclass(frozen=True)
class Tuple:
    """Element by element."""

    inner: tuple[Layout, ...]

    def skip_prefix(self, reader: Reader) -> None:
        for layout in self.inner:
            layout.skip_prefix(reader)

    def skip(self, reader: Reader, rows: int) -> None:
        for layout in self.inner:
            layout.skip(reader, rows)


@dataclass(frozen=True)
class LowCardinality:
    """A dictionary, then each value's index in it. A null is an index, so a Nullable inside has no bytes of its own."""

    inner: Layout

    def skip_prefix(self, reader: Reader) -> None:
        reader.skip(8)

    def skip(self, reader: Reader, rows: int) -> None:
        if not rows:
            return
        index_width = 1 << (reader.uint64() & 0xFF)
        self.inner.skip(reader, reader.uint64())
        reader.skip(reader.uint64() * index_width)


WIDTHS = {
    "Nothing": 1, "Bool": 1, "UInt8": 1, "Int8": 1, "Enum8": 1,
    "UInt16": 2, "Int16": 2, "Enum16": 2, "Date": 2, "BFloat16": 2,
    "UInt32": 4, "Int32": 4, "Float32": 4, "Date32": 4, "DateTime": 4, "DateTime32": 4, "IPv4": 4, "Time": 4,
    "Decimal32": 4,
    "UInt64": 8, "Int64": 8, "Float64": 8, "DateTime64": 8, "Time64": 8, "Decimal64": 8,
    "UInt128": 16, "Int128": 16, "UUID": 16, "IPv6": 16, "Decimal128": 16,
    "UInt256": 32, "Int256": 32, "Decimal256": 32,
}  # fmt: skip

POINT = Tuple((Fixed(8), Fixed(8)))
GEOMETRY: dict[str, Layout] = {
    "Point": POINT,
    "Ring": Array(POINT),
    "LineString": Array(POINT),
    "Polygon": Array(Array(POINT)),
    "MultiLineString": Array(Array(POINT)),
    "MultiPolygon": Array(Array(Array(POINT))),
}


def layout(type_name: str) -> Layout:
    """The layout of a type as ClickHouse names it. Raises UnsupportedType."""
    name, _, rest = type_name.strip().partition("(")
    inside = rest.rstrip()[:-1]
    if name == "String":
        return Text()
    if name in WIDTHS:
        return Fixed(WIDTHS[name])
    if name in GEOMETRY:
        return GEOMETRY[name]
    if name == "FixedString":
        return Fixed(int(inside))
    if name == "Decimal":
        return Fixed(_decimal_width(int(inside.split(",")[0])))
    if name.startswith("Interval"):
        return Fixed(8)
    return _composite(name, inside, type_name)


def _composite(name: str, inside: str, type_name: str) -> Layout:
    if name == "Nullable":
        return Nullable(layout(inside))
    if name == "LowCardinality":
        inner = layout(inside)
        return LowCardinality(inner.inner if isinstance(inner, Nullable) else inner)
    if name == "Array":
        return Array(layout(inside))
    if name == "Map":
        return Array(Tuple(tuple(layout(part) for part in arguments(inside))))
    if name == "Tuple":
        return Tuple(tuple(layout(_unnamed(part)) for part in arguments(inside)))
    if name == "Nested":
        return Array(Tuple(tuple(layout(_unnamed(part)) for part in arguments(inside))))
    if name == "SimpleAggregateFunction":
        return layout(arguments(inside)[1])
    raise UnsupportedType(f"columns of type {type_name} cannot be inserted through the embedded ClickHouse")


def arguments(inside: str) -> list[str]:
    """Split at the commas that stand outside parentheses and quotes."""
    parts, depth, start, quote = [], 0, 0, ""
    escaped = False
    for index, character in enumerate(inside):
        if quote:
            quote = quote if escaped or character != quote else ""
            escaped = character == "\\" and not escaped
        elif character in "'`\"":
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "," and not depth:
            parts.append(inside[start:index].strip())
            start = index + 1
    last = inside[start:].strip()
    return [*parts, last] if last else parts


_ELEMENT_NAME = re.compile(r"(?:`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|\w+)\s+(?=\w)")


def _unnamed(element: str) -> str:
    """`name Type` or `Type`: the type."""
    named = _ELEMENT_NAME.match(element)
    return element[named.end() :] if named else element


def _decimal_width(precision: int) -> int:
    return 4 if precision <= 9 else 8 if precision <= 18 else 16 if precision <= 38 else 32


def _skip_equal_texts(reader: Reader, rows: int) -> int:
    """Skip the texts at hand that are as long as the next one, at numpy's speed (codes, ids, names cut to size).

    Returns how many were skipped. Looks only at bytes that have arrived: waiting for more than the block holds
    would wait for ever.
    """
    reader.need(1)
    width = reader.buffer[reader.position] + 1
    count = min(rows, (len(reader.buffer) - reader.position) // width)
    if width > 0x80 or count < 64:
        return 0
    lengths = np.frombuffer(reader.buffer, np.uint8, count * width, reader.position)[::width]
    others = np.flatnonzero(lengths != width - 1)
    equal = int(others[0]) if len(others) else count
    reader.position += equal * width
    return equal


def _skip_texts(reader: Reader, rows: int) -> None:
    buffer, position = reader.buffer, reader.position
    end = len(buffer)
    for _ in range(rows):
        length = shift = 0
        while True:
            while position >= end:
                reader.more()
                end = len(buffer)
            byte = buffer[position]
            position += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        position += length
    reader.position = position
    reader.need(0)


@dataclass(frozen=True)
class Block:
    """A block as it came: its columns, its number of rows, and its bytes in the format Native."""

    columns: Columns
    rows: int
    data: bytes


def cut(reader: Reader) -> Block:
    """Take one block, with its info, off the stream. Raises UnsupportedType; the stream is then lost."""
    while reader.varint():
        # Field 1 is a flag of one byte, field 2 a bucket number of four.
        reader.skip(1 if reader.buffer[reader.position - 1] == 1 else 4)
    return _cut(reader)


def split(answer: bytes) -> list[bytes]:
    """The blocks of a whole answer in the format Native."""
    reader = Reader(bytes)
    reader.buffer += answer
    blocks = []
    while reader.position < len(answer):
        blocks.append(_cut(reader).data)
    return blocks


def columns_of(block: bytes) -> Columns:
    """Names and types of a block in the format Native. Raises UnsupportedType."""
    reader = Reader(bytes)
    reader.buffer += block
    return _cut(reader).columns


def retyped(block: bytes, types: list[str]) -> bytes:
    """A block whose columns are said to be of these types; their bytes stay. Raises UnsupportedType."""
    reader = Reader(bytes)
    reader.buffer += block
    column_count, rows = reader.varint(), reader.varint()
    parts = [reader.taken(0)]
    for type_name in types[:column_count]:
        parts += (text(reader.text()), text(type_name))
        values = layout(reader.text())
        start = reader.position
        _skip_column(reader, values, rows)
        parts.append(reader.taken(start))
    return b"".join(parts)


def _cut(reader: Reader) -> Block:
    start = reader.position
    column_count, rows = reader.varint(), reader.varint()
    columns = []
    for _ in range(column_count):
        name, type_name = reader.text(), reader.text()
        columns.append((name, type_name))
        if rows:
            _skip_column(reader, layout(type_name), rows)
    return Block(columns, rows, reader.taken(start))


def _skip_column(reader: Reader, values: Layout, rows: int) -> None:
    values.skip_prefix(reader)
    values.skip(reader, rows)


def header(columns: Columns) -> bytes:
    """A block without rows, which tells the client names and types."""
    return varint(len(columns)) + varint(0) + b"".join(text(name) + text(kind) for name, kind in columns)
