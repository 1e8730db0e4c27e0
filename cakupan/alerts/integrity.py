"""integrity_difference: log and tables hold different events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator

from cakupan.alerts.finding import Finding, Key
from projections.clickhouse import Database
from projections.measures import alerts as read

RAISE_AT, CLEAR_AT = 1.0, 0.0


def find(database: Database, now: dt.datetime, open_: Collection[Key]) -> Iterator[Finding]:
    """Differences that are open, by topic and province; none where an alert is open and there are none any more."""
    found = {Key("integrity_difference", each.region, each.topic): each for each in read.differences(database)}
    for key, each in found.items():
        reason = f"log and tables differ in {each.events:,} events"
        yield Finding(key, each.events, RAISE_AT, CLEAR_AT, each.since_ms, reason)
    for key in set(open_) - found.keys():
        reason = "log and tables are the same again"
        yield Finding(key, 0, RAISE_AT, CLEAR_AT, round(now.timestamp() * 1000), reason)
