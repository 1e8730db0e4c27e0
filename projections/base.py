"""What a projection is: where a topic's events go, and how a frame becomes the columns of a table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl

from projections.clickhouse import Database

Frames = Mapping[str, pl.DataFrame]
Columns = dict[str, Sequence[Any]]

EPOCH = dt.date(1970, 1, 1)
NO_ID = bytes(16)


class Table(Protocol):
    """A table that events are written to: its name, and its columns with their ClickHouse types."""

    @property
    def name(self) -> str:
        """Where to."""

    @property
    def columns(self) -> dict[str, str]:
        """Name to type."""

    def insert(self, database: Database, frames: Frames, run: int) -> int:
        """Write the decoded frames of one batch, by event type, in the name of a run; returns the number of rows."""


@dataclass(frozen=True)
class Rows:
    """A table written value by value: for topics with few events.

    `rows` is pure: it takes the frames and returns columns of equal length.
    """

    name: str
    columns: dict[str, str]
    rows: Callable[[Frames], Columns]

    def insert(self, database: Database, frames: Frames, run: int) -> int:  # noqa: ARG002 -- others need the run
        """See Table."""
        columns = self.rows(frames)
        return database.insert(self.name, columns) if columns else 0


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
