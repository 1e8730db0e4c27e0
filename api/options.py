"""What the API is told when it is built."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

from api.stream.options import StreamOptions
from events.jsonform import WIB
from events.regions import Level


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class ApiOptions:
    """Settings of one app. Times in seconds. `clock` gives an aware time."""

    share_seconds: float = 0.05  # that a look at how far the answers have come is shared for
    held_bytes: int = 1 << 30  # of counts by region and day in memory, at most; 0: none
    fill: bool = False  # read all of them as soon as the app runs, not only what is asked for
    poll_seconds: float = 0.25  # between two looks at the numbers of a live stream
    heartbeat_seconds: float = 15.0  # of silence on a live stream before a comment is sent
    stale_after_seconds: float = 30.0  # without a word from the worker before ready turns false
    live_listeners: int = 1000  # open live streams, at most
    public_level: Level = "village"  # the finest level that needs no key
    public_smallest: int = 1  # fewer people than this are not told of without a key; 1: all is told
    key_seconds: float = 2.0  # that keys are held in memory for: one that was removed may be taken for so long
    anonymous_connections: int = 4  # open streams of one address without a key, at most
    stream: StreamOptions = field(default_factory=StreamOptions)
    subscriber_bootstrap: str = ""  # of Kafka, for the AsyncAPI document; empty: none is named
    clickhouse_setting: str = ""  # the settings that name ClickHouse's address, for error messages
    clock: Callable[[], dt.datetime] = utc_now

    def today(self) -> dt.date:
        """The day in western Indonesia, which is the day of every count."""
        return self.clock().astimezone(WIB).date()
