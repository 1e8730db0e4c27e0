"""What the API is told when it is built."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

WIB = dt.timezone(dt.timedelta(hours=7), "WIB")


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class ApiOptions:
    """Settings of one app. Times in seconds. `clock` gives an aware time."""

    share_seconds: float = 0.1  # that a look at how far the answers have come is shared for
    poll_seconds: float = 0.25  # between two looks at the numbers of a live stream
    heartbeat_seconds: float = 15.0  # of silence on a live stream before a comment is sent
    stale_after_seconds: float = 30.0  # without a word from the worker before ready turns false
    live_listeners: int = 1000  # open live streams, at most
    clickhouse_setting: str = ""  # the settings that name ClickHouse's address, for error messages
    clock: Callable[[], dt.datetime] = utc_now

    def today(self) -> dt.date:
        """The day in western Indonesia, which is the day of every count."""
        return self.clock().astimezone(WIB).date()
