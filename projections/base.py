"""What a projection is: where a topic's events go, and how a frame becomes the columns of a table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

Frames = Mapping[str, pl.DataFrame]
Columns = dict[str, Sequence[Any]]

EPOCH = dt.date(1970, 1, 1)
NO_ID = bytes(16)


@dataclass(frozen=True)
class Table:
    """A table that events are written to: its columns with their ClickHouse types, and the rows that frames become.

    `rows` is pure: it takes the decoded frames of one batch, by event type, and returns columns of equal length.
    """

    name: str
    columns: dict[str, str]
    rows: Callable[[Frames], Columns]


def together(frames: Frames, types: Sequence[str], extra: Mapping[str, Any]) -> pl.DataFrame:
    """The frames of these types below each other, with a column `type`; `extra` fills the columns that a type lacks."""
    parts = [frames[name].with_columns(pl.lit(name).alias("type")) for name in types if name in frames]
    if not parts:
        return pl.DataFrame()
    whole = pl.concat(parts, how="diagonal_relaxed")
    missing = [pl.lit(value).alias(name) for name, value in extra.items() if name not in whole.columns]
    filled = [
        pl.col(name).fill_null(value) for name, value in extra.items() if name in whole.columns and value is not None
    ]
    return whole.with_columns(missing + filled)


def as_columns(frame: pl.DataFrame, names: Sequence[str]) -> Columns:
    """Columns as Python lists, which the driver encodes fastest; none where there is no row."""
    return {name: frame[name].to_list() for name in names} if frame.height else {}


def day(days: int | None) -> dt.date | None:
    """Days since 1970-01-01 as a date."""
    return None if days is None else EPOCH + dt.timedelta(days=days)
