"""The alerts that were told, on ikd.alert.v1. The topic is its own memory: what is open is read from it at the start.

So there is nothing to write beside publishing: a crash before it repeats the look, one after it finds the alert open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cakupan.alerts.finding import Finding, Key
from events import codec, identity, regions
from events.catalogue import ALERT, EVENTS
from events.codec import Event
from events.errors import PublishError
from events.publisher import AGAIN, Publisher
from projections.alerts import CLEARED, RAISED
from streams.log_reader import LogReader

SOURCE = "cakupan"
SLICE = 50_000
SHORT_WAIT = 0.05
TIMEOUT = 30.0


def alert_id(key: Key, earlier: int) -> bytes:
    """The id of an alert of which there were so many earlier ones: the same for whoever tells of it, 16 bytes."""
    derived = identity.derived_event_id(0, *key, earlier)
    # It stands in addresses, where groups of digits alone would be refused as a NIK: a letter parts them.
    return derived[:6] + b"\x7a" + derived[7:]


class Book:
    """One writer. Methods raise PublishError; then close it and begin with a new one.

    `open`: the alerts that are not cleared, by what they are of.
    """

    def __init__(self, bootstrap: str) -> None:
        self.open: dict[Key, bytes] = {}
        self._earlier: Counter[Key] = Counter()
        self._reader = LogReader(bootstrap, "cakupan-alerts", SHORT_WAIT)
        self._publisher = Publisher(bootstrap, timeout=TIMEOUT, **AGAIN)

    def read(self) -> None:
        """What the topic says."""
        if ALERT not in self._reader.topics():
            raise PublishError(f"there is no topic {ALERT}: run cakupan topics apply")
        raised, cleared = self._told()
        self._earlier = Counter(raised.values())
        self.open = {key: each for each, key in raised.items() if each not in cleared}

    def tell(self, raised: Sequence[Finding], cleared: Sequence[Finding], now_ms: int) -> None:
        """Publish what was raised and what was cleared; returns when all of it is acknowledged."""
        opened = {each.key: alert_id(each.key, self._earlier[each.key]) for each in raised}
        for each in raised:
            self._publisher.publish(_event(RAISED, each, opened[each.key], each.raise_at, now_ms))
        for each in cleared:
            self._publisher.publish(_event(CLEARED, each, self.open[each.key], each.clear_at, now_ms))
        self._publisher.flush()
        for each in cleared:
            del self.open[each.key]
        self.open |= opened
        self._earlier.update(opened.keys())

    def close(self) -> None:
        """Let go of the broker."""
        self._reader.close()
        self._publisher.discard()

    def _told(self) -> tuple[dict[bytes, Key], set[bytes]]:
        """Every alert with what it is of, and those that were cleared."""
        raised: dict[bytes, Key] = {}
        cleared: set[bytes] = set()
        for messages in self._reader.whole(ALERT, SLICE):
            arrived = [each.timestamp()[1] for each in messages]
            frames = codec.decode_batch(ALERT, [each.value() for each in messages], arrived).frames
            if RAISED in frames:
                raised |= {row["alert_id"]: _key(row) for row in frames[RAISED].iter_rows(named=True)}
            if CLEARED in frames:
                cleared |= set(frames[CLEARED]["alert_id"].to_list())
        return raised, cleared


def _key(row: Mapping[str, Any]) -> Key:
    return Key(row["kind"], row["region"], row["subject"])


def _event(name: str, found: Finding, alert: bytes, threshold: float, now_ms: int) -> Event:
    values = {
        "event_id": identity.derived_event_id(now_ms, alert, name),
        "occurred_at": now_ms,
        "recorded_at": now_ms,
        "source": SOURCE,
        "service_region": regions.NATION,
        "region": found.key.region,
        "alert_id": alert,
        "kind": found.key.kind,
        "subject": found.key.subject,
        "since": found.since_ms,
        "measured": float(found.measured),
        "threshold": float(threshold),
        "reason": found.reason,
    }
    return Event(EVENTS[name], values)
