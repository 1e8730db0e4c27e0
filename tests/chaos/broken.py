"""Workers and fan-outs that are wrong on purpose, to show that the count can fail.

`python -m tests.chaos.broken HOW worker`, or `fanout`.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from cakupan import cli
from events import publisher
from events.publisher import Publisher
from projections import catalogue
from projections.base import Frames
from projections.clickhouse import Database
from streams.ingest import Ingest

EARLY, DELIVERIES, UNCONFIRMED = "acknowledges-early", "counts-deliveries", "commits-unconfirmed"
HELD_MS = 4_000  # longer than a commit takes on a busy machine


def acknowledge_early() -> None:
    """A batch is acknowledged when it comes in: what is in its hands at a crash is gone."""
    take = Ingest.take

    async def wrong(self: Ingest, event: Any) -> None:
        event.ack()
        await take(self, event)

    Ingest.take = wrong  # type: ignore[method-assign]


def count_deliveries() -> None:
    """An event that comes again is another row."""
    insert = catalogue.insert

    def wrong(database: Database, topic: str, frames: Frames, run: int) -> int:
        if topic in catalogue.RECOMPUTED:
            known = {
                bytes.fromhex(row["id"]) for row in database.rows("SELECT hex(event_id) AS id FROM activation_event")
            }
            frames = {name: _renamed(frame, known) for name, frame in frames.items()}
        return insert(database, topic, frames, run)

    catalogue.insert = wrong


def _renamed(frame: pl.DataFrame, known: set[bytes]) -> pl.DataFrame:
    ids = [each[:-4] + secrets.token_bytes(4) if each in known else each for each in frame["event_id"]]
    return frame.with_columns(pl.Series("event_id", ids, dtype=pl.Binary))


def commit_unconfirmed() -> None:
    """A place is committed, and what was before it is on its way: what the producer holds at a crash is gone."""
    publisher.AGAIN["linger.ms"] = HELD_MS

    def wrong(self: Publisher) -> None: ...

    Publisher.flush = wrong  # type: ignore[method-assign]


WAYS: Mapping[str, Callable[[], None]] = {
    EARLY: acknowledge_early,
    DELIVERIES: count_deliveries,
    UNCONFIRMED: commit_unconfirmed,
}


if __name__ == "__main__":
    WAYS[sys.argv.pop(1)]()
    cli.main()
