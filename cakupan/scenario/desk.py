"""An office's desk on one day: it gives what is told the time of recording, and keeps it to be sent."""

from __future__ import annotations

from typing import Any

from cakupan.scenario import weights
from cakupan.scenario.world import HOUR_MS, Office, Planned, start_of
from events.catalogue import EventType, Version
from events.codec import Event

_UPLOAD_MS = 7 * HOUR_MS + HOUR_MS // 2  # late reports go out at half past seven


class Desk:
    """Collects in `out` what one office sends about one day.

    Sent the same day, an event is recorded within a second, or `skew_ms` off where the clock is wrong; sent `delay`
    days later, all of them are recorded in the morning of that day.
    """

    __slots__ = ("_skew", "_start", "_upload", "day", "office", "old", "out", "source")

    def __init__(self, office: Office, day: int, delay: int, skew_ms: int, out: list[Planned]) -> None:
        self.office = office
        self.source = office.source
        self.day = day
        self.old = office.old and day < weights.NEW_APP
        self.out = out
        self._start = start_of(day)
        self._upload = start_of(day + delay) + _UPLOAD_MS if delay else 0
        self._skew = skew_ms

    def recorded_at(self, at_ms: int, bits: int) -> int:
        """When it is written down, epoch milliseconds."""
        if self._upload:
            return self._upload + (at_ms - self._start) // 1000
        return at_ms + 200 + (bits & 0x1FF) + self._skew

    def tell(self, kind: EventType, version: Version, values: dict[str, Any]) -> None:
        self.out.append(Planned(Event(kind, values), version))
