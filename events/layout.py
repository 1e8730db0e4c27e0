"""Where in the bytes the values of decoded rows should stand, over columns.

Bodies in a row have no borders in an Avro container: bytes that one record lacks may stand in the next one, and all
still decode. What the values of a row take adds up to its record's length, or the row was not read from that record
alone. No way of writing them is shorter, so where all rows add up each was read from its own bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Numbers = npt.NDArray[np.int64]

SECOND_BRANCH = 2  # as a varint; the first is 0

_FIXED_BYTES = {"enum": 1, "double": 8}  # an enum has fewer than 64 symbols

# Bytes of a varint: one more from each of these on. The reader cuts what is too large for its type, so numbers of the
# longest form, which no event has reason to hold, are doubted: they take more than any record has.
_LONGER_FROM = np.array([1 << 7 * n for n in range(1, 10)], dtype=np.uint64)
_DOUBTED = 1 << 40
_BYTES = {
    "int": np.array([1, 2, 3, 4] + [_DOUBTED] * 6, dtype=np.int64),
    "long": np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, _DOUBTED], dtype=np.int64),
}


def matches(frame: pl.DataFrame, fields: Sequence[dict[str, Any]], data: bytes, ends: Numbers) -> bool:
    """Whether each row was read from its own record and from nothing else, and no value was cut.

    `frame` has a column for each of the schema's `fields`; the body of row n stands in `data` from `ends[n]` up to
    `ends[n + 1]`. False is doubt and no verdict: lists may be written in blocks, numbers with bytes to spare.
    """
    raw = np.frombuffer(data, dtype=np.uint8)
    read = frame.select(expression for each in fields for expression in _needed(each)).to_dict()
    at: Numbers = ends[:-1]
    for each in fields:
        name, kind = each["name"], each["type"]
        if not isinstance(kind, list):
            at = at + _bytes(read, name, kind)
            continue
        given = read[f"{name} given"].to_numpy()
        # The reader takes whatever is not the first branch for the second.
        if (raw[np.minimum(at, len(raw) - 1)] != given * SECOND_BRANCH).any():
            return False
        at = at + 1 + _bytes(read, name, kind[1]) * given
    return bool((at == ends[1:]).all())


def _needed(field: dict[str, Any]) -> Iterator[pl.Expr]:
    """What is counted of a column, in one query for all: a number itself, the length of a text, a list itself."""
    kind = field["type"]
    if isinstance(kind, list):
        yield pl.col(field["name"]).is_not_null().alias(f"{field['name']} given")
        kind = kind[1]
    column, name = pl.col(field["name"]), _name(kind)
    if name in _BYTES:
        yield column.fill_null(0)
    elif name == "string":
        yield column.str.len_bytes().fill_null(0)
    elif name == "bytes":
        yield column.bin.size().fill_null(0)
    elif name == "array":
        yield column


def _bytes(read: Mapping[str, pl.Series], field: str, kind: Any) -> Numbers | int:
    """What each value of a field takes; anything where it is null."""
    name = _name(kind)
    if name in _BYTES:
        return _of_numbers(read[field].to_numpy(), name)
    if name in ("string", "bytes"):
        sizes = read[field].to_numpy().astype(np.int64)
        return sizes + _of_numbers(sizes, "long")
    if name == "array":
        return _of_lists(read[field], _name(kind["items"]))
    return int(kind["size"]) if name == "fixed" else _FIXED_BYTES[name]


def _of_numbers(values: npt.NDArray[Any], name: str) -> Numbers:
    wide = values.astype(np.int64)
    zigzag = ((wide << 1) ^ (wide >> 63)).view(np.uint64)
    return _BYTES[name][np.searchsorted(_LONGER_FROM, zigzag, side="right")]


def _of_lists(column: pl.Series, items: str) -> Numbers:
    """Lists of numbers, in one block: how many, each, a 0 behind; an empty list is the 0 alone."""
    counts = column.list.len().to_numpy().astype(np.int64)
    each = _of_numbers(column.explode(empty_as_null=False).to_numpy(), items)
    before = np.concatenate(([0], np.cumsum(each)))
    borders = np.concatenate(([0], np.cumsum(counts)))
    return np.diff(before[borders]) + np.where(counts > 0, _of_numbers(counts, "long"), 0) + 1


def _name(kind: Any) -> str:
    return str(kind["type"] if isinstance(kind, dict) else kind)
