"""How far the answers have come in the log, and how far a recount has found them right."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from projections.clickhouse import Database


class Row(NamedTuple):
    """One partition. `position`, `head`: next offset to take in, next offset of the log. Times in UTC."""

    topic: str
    partition: int
    position: int
    head: int
    record_at: dt.datetime
    checked_at: dt.datetime


def write(database: Database, rows: Sequence[Row]) -> None:
    """Note where partitions stand."""
    database.insert("position", dict(zip(Row._fields, map(list, zip(*rows, strict=True)), strict=True)))


def write_verified(database: Database, positions: Mapping[tuple[str, int], int], at: dt.datetime) -> None:
    """Note that everything before these offsets was recounted and found right. `positions`: (topic, partition) keys."""
    if not positions:
        return
    database.insert(
        "verified",
        {
            "topic": [topic for topic, _ in positions],
            "partition": [partition for _, partition in positions],
            "position": list(positions.values()),
            "verified_at": [at] * len(positions),
        },
    )
