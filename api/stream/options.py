"""What the streams are told when the app is built."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StreamOptions:
    """Settings of the streams of one app. Times in seconds.

    `bootstrap`: brokers of the log; empty: this app has no streams.
    """

    bootstrap: str = ""
    listeners: int = 2500  # open streams, at most
    ring_events: int = 16_384  # newest events in memory: whoever falls behind by more is cut
    ring_bytes: int = 33_554_432
    back_events: int = 1024  # of each partition that the ring begins with: who comes back soon needs no reader
    readers: int = 16  # streams that read the past at the same time, each with a reader of its own
    wait_seconds: float = 5.0  # for such a reader, before 503
    stalled_seconds: float = 15.0  # that a client may take nothing of what was sent, before it is cut
