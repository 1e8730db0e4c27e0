"""Events of the last two days by region, minute and channel, in memory: what live rates are summed from.

The nation, the provinces and the villages have rows of their own; a regency's and a district's are those of its
villages, which stand side by side. A day of a nation is half a million rows, 28 bytes each.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from projections import sql
from projections.answers import Count, villages_of
from projections.clickhouse import Database

TABLE = "region_minute"
BEGIN = int(dt.datetime(2020, 1, 1, tzinfo=dt.UTC).timestamp()) // 60  # no event is older than 2022
CHANNEL_BITS, MINUTE_BITS = 5, 24  # of a row's key, behind the region: 31 years
MOST_CHANNELS = 1 << CHANNEL_BITS
PROVINCE_BELOW, VILLAGE_FROM = 100, 10**9
COUNTS = 5  # numbers of a row: events, registered, activated, failed, deactivated
WINDOWS = (1, 60, 1440)  # minutes
LATEST = 1 << MINUTE_BITS

Numbers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Rows:
    """`keys`: region, minute and channel in one number, in order, each once; `counts`: a row of COUNTS for each."""

    keys: Numbers
    counts: np.ndarray[Any, np.dtype[np.int32]]

    @classmethod
    def none(cls) -> Rows:
        return cls(np.empty(0, np.int64), np.empty((0, COUNTS), np.int32))

    @property
    def bytes(self) -> int:
        return self.keys.nbytes + self.counts.nbytes

    def of(self, keys: Numbers) -> np.ndarray[Any, np.dtype[np.int32]]:
        """The counts of some keys; those that are not here count nothing."""
        found = np.zeros((len(keys), COUNTS), np.int32)
        if len(self.keys):
            places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
            here = self.keys[places] == keys
            found[here] = self.counts[places[here]]
        return found

    def plus(self, other: Rows) -> Rows:
        """The sums of both."""
        keys = np.concatenate([self.keys, other.keys])
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        begins = np.flatnonzero(np.diff(keys, prepend=-1))
        counts = np.concatenate([self.counts, other.counts])[order]
        return Rows(keys[begins], np.add.reduceat(counts, begins, axis=0) if len(begins) else counts)

    def since(self, minute: int) -> Rows:
        kept = _minutes(self.keys) >= minute
        return Rows(self.keys[kept], self.counts[kept])

    def within(self, region: int, begin: int, end: int) -> Rows:
        """Those of a region from a minute up to another."""
        if region < PROVINCE_BELOW or region >= VILLAGE_FROM:
            low, high = np.searchsorted(self.keys, (_key(region, begin), _key(region, end)))
            return Rows(self.keys[low:high], self.counts[low:high])
        first, last = villages_of(region)
        low, high = np.searchsorted(self.keys, (_key(first, 0), _key(last, LATEST)))
        keys = self.keys[low:high]
        minutes = _minutes(keys)
        some = (minutes >= begin) & (minutes < end)
        return Rows(keys[some], self.counts[low:high][some])


class Channels:
    """Names by number, in the order in which they came. Raises OverflowError beyond MOST_CHANNELS."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def numbers(self, names: Sequence[str]) -> Numbers:
        for name in set(names) - self._numbers.keys():
            if len(self.names) == MOST_CHANNELS:
                raise OverflowError(f"more than {MOST_CHANNELS} channels")
            self._numbers[name] = len(self.names)
            self.names.append(name)
        return np.array([self._numbers[name] for name in names], np.int64)


def fresh(database: Database, channels: Channels, seen: int, begin: int, end: int) -> Rows:
    """Rows from a minute up to another (since BEGIN), as parts have them that hold a block behind `seen`."""
    params = {"seen": seen, "begin": (BEGIN + begin) * 60, "end": (BEGIN + end) * 60}
    columns = database.columns(sql.query("minutes_fresh"), params)
    if not columns:
        return Rows.none()
    region, number, channel, counts = columns
    keys = _keys(np.array(region, np.int64), np.array(number, np.int64) - BEGIN, channels.numbers(channel))
    order = np.argsort(keys)
    return Rows(keys[order], np.array(counts, np.int32).reshape(-1, COUNTS)[order])


def newer(held: Sequence[Rows], written: Rows) -> Rows:
    """What has to be added to what is held so that it says what was written. A row that counts fewer events than are
    held is an older version."""
    now = np.sum([each.of(written.keys) for each in held], axis=0, dtype=np.int32)
    change = written.counts - now
    some = (change[:, 0] >= 0) & change.any(axis=1)
    return Rows(written.keys[some], change[some])


def rates(held: Sequence[Rows], channels: Sequence[str], region: int, end: int) -> list[Count]:
    """Events of a region's residents in the windows that end with a minute (since BEGIN); see `answers.rates`."""
    parts = [each.within(region, end - WINDOWS[-1], end) for each in held]
    keys = np.concatenate([each.keys for each in parts])
    if not len(keys):
        return []
    counts = np.concatenate([each.counts for each in parts])
    # Of each row the shortest window that holds it; what a window counts is in all longer ones too.
    window = np.searchsorted(WINDOWS, end - _minutes(keys))
    places = window * len(channels) + (keys & (MOST_CHANNELS - 1))
    size = len(WINDOWS) * len(channels)
    sums = np.stack([np.bincount(places, counts[:, column], size) for column in range(COUNTS)], axis=1)
    totals = sums.reshape(len(WINDOWS), len(channels), COUNTS).cumsum(axis=0).astype(np.int64).tolist()
    found = [
        Count(minutes * 60, name, *row)
        for minutes, rows in zip(WINDOWS, totals, strict=True)
        for name, row in zip(channels, rows, strict=True)
        if row[0]
    ]
    return sorted(found, key=lambda each: (each.seconds, each.channel))


def number_of(moment: dt.datetime) -> int:
    """A whole minute as its number since BEGIN."""
    return int(moment.timestamp()) // 60 - BEGIN


def _keys(region: Numbers, minute: Numbers, channel: Numbers) -> Numbers:
    return ((region << MINUTE_BITS | minute) << CHANNEL_BITS) | channel


def _key(region: int, minute: int) -> int:
    """The lowest one of a region's minute."""
    return (region << MINUTE_BITS) + minute << CHANNEL_BITS


def _minutes(keys: Numbers) -> Numbers:
    found: Numbers = (keys >> CHANNEL_BITS) & (LATEST - 1)
    return found
