"""The second clock: when it was known. A day counts to its end in western Indonesia."""

from __future__ import annotations

import datetime as dt

from events.jsonform import WIB

KnownAt = dt.date | dt.datetime
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MS = dt.timedelta(milliseconds=1)


def day_of(at: KnownAt) -> dt.date:
    """The day in western Indonesia."""
    return at.astimezone(WIB).date() if isinstance(at, dt.datetime) else at


def midnight(day: dt.date) -> dt.datetime:
    """When a day begins."""
    return dt.datetime.combine(day, dt.time(), WIB)


def last_ms(at: KnownAt) -> int:
    """The last millisecond that belongs to it, since 1970: the moment itself, or the end of the day."""
    if isinstance(at, dt.datetime):
        return (at - _EPOCH) // _MS
    return (midnight(at) - _EPOCH) // _MS + dt.timedelta(days=1) // _MS - 1
