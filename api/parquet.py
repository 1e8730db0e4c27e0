"""Rows as a Parquet file, pure."""

from __future__ import annotations

import io
import json
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

MEDIA_TYPE = "application/vnd.apache.parquet"
_DAY = r"^\d{4}-\d{2}-\d{2}$"
_MOMENT = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$"


class NoRows(ValueError):
    """Not a JSON object in each line, of values that are no objects."""


def of_lines(lines: bytes) -> bytes:
    """The file. `lines`: newline-delimited JSON, one flat object a row.

    Days are dates, moments are UTC; a list is text in JSON, as in a CSV; a column without a value is text. Raises
    NoRows.
    """
    try:
        rows = [_flat(json.loads(each)) for each in lines.splitlines()]
        frame = pl.DataFrame(rows, infer_schema_length=None)
    except (ValueError, TypeError, RecursionError, PolarsError):
        raise NoRows from None
    out = io.BytesIO()
    frame.select(map(_typed, frame)).write_parquet(out)
    return out.getvalue()


def _flat(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict) or any(isinstance(each, dict) for each in row.values()):
        raise NoRows
    return {name: _text(each) if isinstance(each, list) else each for name, each in row.items()}


def _text(listed: list[Any]) -> str:
    return json.dumps(listed, ensure_ascii=False)


def _typed(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Null:
        return column.cast(pl.String)
    if column.dtype != pl.String:
        return column
    if column.str.contains(_DAY).all():
        return column.str.to_date("%Y-%m-%d", strict=False)
    if column.str.contains(_MOMENT).all():
        return column.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    return column
