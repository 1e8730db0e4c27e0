"""Columns as ClickHouse's native protocol has them, straight from polars' buffers: no Python object a value.

Source of the layout: ClickHouse's format Native, as clickhouse-driver writes it too.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from projections.clickhouse import Block

# LowCardinality: version of the keys; a dictionary comes with every block.
_KEYS_VERSION = struct.pack("<q", 1)
_OWN_DICTIONARY = 1 << 9 | 1 << 10
_INDEX_TYPES: tuple[tuple[int, Any], ...] = ((1 << 8, pl.UInt8), (1 << 16, pl.UInt16), (1 << 32, pl.UInt32))


def block(frame: pl.DataFrame, types: dict[str, str]) -> Block:
    """The columns of a frame that `types` names, in its order.

    Raises KeyError for a type that has no writer here, InvalidOperationError for a value that is none of a choice's.
    """
    return Block(frame.height, {name: (kind, _writer(kind)(frame[name])) for name, kind in types.items()})


def choice(values: Sequence[str]) -> str:
    """The type of what is one of at most 128 values: a byte, the value's place. As ClickHouse writes it."""
    places = ", ".join(f"'{value}' = {place}" for place, value in enumerate(values))
    return f"Enum8({places})"


@functools.cache
def _writer(kind: str) -> Callable[[pl.Series], bytes]:
    return _places(re.findall(r"'([^']*)' = ", kind)) if kind.startswith("Enum8(") else WRITERS[kind]


def _numbers(dtype: Any) -> Callable[[pl.Series], bytes]:
    return lambda values: values.cast(dtype).to_numpy().tobytes()


def _places(values: Sequence[str]) -> Callable[[pl.Series], bytes]:
    dtype = pl.Enum(values)
    return lambda texts: texts.cast(dtype).to_physical().cast(pl.UInt8).to_numpy().tobytes()


def sixteen_bytes(values: pl.Series) -> bytes:
    """Values of 16 bytes, one after the other."""
    return values.bin.reinterpret(dtype=pl.Array(pl.UInt64, 2)).to_numpy().tobytes()


def _low_cardinality(values: pl.Series) -> bytes:
    """A dictionary of the texts there are, then the index of each value's."""
    texts = values.unique()
    codes = values.cast(pl.Enum(texts)).to_physical()
    number, dtype = next((number, dtype) for number, (most, dtype) in enumerate(_INDEX_TYPES) if len(texts) <= most)
    return b"".join(
        (
            _KEYS_VERSION,
            struct.pack("<qq", _OWN_DICTIONARY | number, len(texts)),
            *(_text(each) for each in texts.to_list()),
            struct.pack("<q", len(values)),
            codes.cast(dtype).to_numpy().tobytes(),
        )
    )


def _text(text: str) -> bytes:
    data = text.encode()
    length, head = len(data), bytearray()
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes(head) + bytes([length]) + data


WRITERS: dict[str, Callable[[pl.Series], bytes]] = {
    "FixedString(16)": sixteen_bytes,
    "LowCardinality(String)": _low_cardinality,
    "UInt64": _numbers(pl.UInt64),
    "Bool": _numbers(pl.UInt8),
    "DateTime64(3, 'UTC')": _numbers(pl.Int64),
}
