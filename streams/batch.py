"""One Faust message is one batch: the records that one fetch brought from one partition."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

COLLECT_AFTER = 200_000  # new objects

RECORD_OVERHEAD = 280
"""Bytes of memory a record takes besides its key and its value: objects, offset, timestamp, headers (measured)."""


class Record(Protocol):
    """What a record offers. The topic and the partition are the batch's."""

    @property
    def offset(self) -> int:
        """Its position in the partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970."""

    @property
    def key(self) -> bytes | None:
        """The key's bytes."""

    @property
    def value(self) -> bytes | None:
        """The value's bytes; None is a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """Pairs of name and bytes."""


def collect_seldom() -> None:
    """For a process that goes through many records: each is an object for a moment, none in a cycle.

    Python's collector would walk them all, over and over: nine tenths of the time it takes to unpack a batch.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)


@dataclass(eq=False)
class Batch:
    """Records of one partition in the order of their offsets, never empty.

    `size` is the payload in bytes (keys and values, uncompressed), `high_watermark` the offset that the next record
    published to the partition would have had when the batch was fetched, or None if the broker did not tell. `count` is
    how many records it came with, `newest` the time of the last one in milliseconds since 1970.
    """

    topic: str
    partition: int
    first_offset: int
    last_offset: int
    records: Sequence[Record]
    size: int
    high_watermark: int | None
    count: int = field(init=False)
    newest: int = field(init=False)

    def __post_init__(self) -> None:
        self.count = len(self.records)
        self.newest = self.records[-1].timestamp

    @property
    def values(self) -> list[bytes | None]:
        """The values in order, one a record."""
        return [record.value for record in self.records]

    @property
    def memory(self) -> int:
        """Bytes the batch takes in memory, about."""
        return self.size + RECORD_OVERHEAD * self.count

    def let_go(self) -> None:
        """Forget the records: they are where they should be."""
        self.records = ()

    def __repr__(self) -> str:
        place = f"{self.topic}/{self.partition}"
        return f"<Batch {place} {self.first_offset}..{self.last_offset}, {self.count} records, {self.size} bytes>"
