"""What every event begins with, read by other code than the codec's, so that a check of it may rest on this.

Every type begins with event_id, occurred_at, recorded_at, source, service_region; in some topics the region that an
event is about follows. Numbers of variable length are walked for all records at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from events.catalogue import ACTIVATION, ALERT, COVERAGE, HEARTBEAT, OUTREACH, REFERENCE

HEADER_BYTES = 5
ID_BYTES = 16
DAY_MS = 86_400_000
WIB_MS = 7 * 3_600_000
LAST_DAY = 2**16 - 1
LONGEST = 10
NOWHERE = bytes(ID_BYTES)

# Odd, so that no bit of the first half is lost: 2^64 divided by the golden ratio.
MULTIPLIER = 0x9E3779B97F4A7C15

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Of which region and day an event of a topic is: whether the region follows service_region (False: it is that one;
# None: events of this topic are about several), and whether the day is that of recorded_at.
_ABOUT: dict[str, tuple[bool | None, bool]] = {
    ACTIVATION: (True, False),
    OUTREACH: (False, False),
    REFERENCE: (True, True),
    HEARTBEAT: (None, False),
    COVERAGE: (True, False),
    ALERT: (True, False),
}


@dataclass(frozen=True)
class Outline:
    """One row a record, in order: its id (16 bytes), region's code, day (days since 1970, WIB).

    A record that does not begin as events do has `readable` False, an id of zeros, region 0 and day 0.
    """

    readable: Flags
    event_ids: list[bytes]
    regions: Longs
    days: Longs


def read(topic: str, records: Sequence[bytes | None]) -> Outline:
    """The outline of records of one topic. Never raises; rules are not checked."""
    follows, by_recorded = _ABOUT[topic]
    whole = [raw or b"" for raw in records]
    lengths = np.fromiter(map(len, whole), np.int64, len(whole))
    ends = np.cumsum(lengths)
    walk = _Walk(np.frombuffer(b"".join(whole), np.uint8), ends - lengths + HEADER_BYTES + ID_BYTES)
    occurred, recorded = walk.number(), walk.number()
    walk.skip(walk.number())
    region = walk.number()
    if follows:
        region = walk.number()
    days = ((recorded if by_recorded else occurred) + WIB_MS) // DAY_MS
    readable = walk.sound & (walk.at <= ends) & (days >= 0) & (days <= LAST_DAY) & (region >= 0)
    region = region if follows is not None else np.zeros_like(region)
    return Outline(
        readable,
        [
            raw[HEADER_BYTES : HEADER_BYTES + ID_BYTES] if ok else NOWHERE
            for raw, ok in zip(whole, readable.tolist(), strict=True)
        ],
        np.where(readable, region, 0),
        np.where(readable, days, 0),
    )


def digest(event_ids: Sequence[bytes]) -> int:
    """An order-free digest: the sum of `low + high * MULTIPLIER` modulo 2^64 over all ids.

    `high` and `low` are the first and the last eight bytes, little-endian.
    """
    halves = np.frombuffer(b"".join(event_ids), "<u8").reshape(-1, 2)
    return int((halves[:, 1] + halves[:, 0] * np.uint64(MULTIPLIER)).sum(dtype=np.uint64))


class _Walk:
    """A place in each record, moved on over all of them at once."""

    def __init__(self, data: npt.NDArray[np.uint8], at: Longs) -> None:
        self._data = np.append(data, np.zeros(1, np.uint8))
        self.at = at
        self.sound = np.ones(len(at), bool)

    def number(self) -> Longs:
        """An Avro long: seven bits a byte, the lowest first, zigzag."""
        value: Any = np.zeros(len(self.at), np.uint64)
        more = np.ones(len(self.at), bool)
        for shift in range(0, 7 * LONGEST, 7):
            byte = self._data[np.clip(self.at, 0, len(self._data) - 1)]
            value |= np.where(more, byte & 0x7F, 0).astype(np.uint64) << np.uint64(shift)
            self.at = self.at + more
            more &= byte >= 0x80
            if not more.any():
                break
        self.sound &= ~more
        sign: Longs = -(value & np.uint64(1)).astype(np.int64)
        number: Longs = (value >> np.uint64(1)).astype(np.int64) ^ sign
        return number

    def skip(self, count: Longs) -> None:
        """So many bytes further; a negative count is no text."""
        self.sound &= (count >= 0) & (count <= len(self._data))
        self.at = self.at + np.where(self.sound, count, 0)
