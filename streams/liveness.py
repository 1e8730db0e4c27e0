"""Is the worker at work, or only there? From what the ledger says, and nothing else.

Waiting for a part that is away is work: a restart would bring it no nearer. So time counts from the end of the last
such wait.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streams.ledger import PartitionProgress


@dataclass(frozen=True)
class Complaint:
    """What is wrong, and for how many seconds. `place` is a partition, or the worker itself."""

    place: str
    what: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.place}: {self.what} for {self.seconds:.0f} s"


def complaints(
    progress: Sequence[PartitionProgress],
    stalled_seconds: float,
    *,
    silent_for: float = 0.0,
    waited_ago: float = math.inf,
) -> list[Complaint]:
    """What has stood still for longer than `stalled_seconds`; empty: the worker is live.

    `silent_for`: seconds since the worker's loop last turned. `waited_ago`: seconds since it last waited for a part
    that is away; 0 while it waits.
    """
    found = [each for partition in progress for each in _of(partition)]
    found.append(Complaint("worker", "its loop has not turned", silent_for))
    counted = [Complaint(each.place, each.what, min(each.seconds, waited_ago)) for each in found]
    return [each for each in counted if each.seconds > stalled_seconds]


def _of(each: PartitionProgress) -> Iterator[Complaint]:
    place = f"{each.topic}/{each.partition}"
    yield Complaint(place, "a batch is in hand and not done", each.unacknowledged_for)
    yield Complaint(place, "what is done waits for its commit", each.uncommitted_for)
    yield Complaint(place, "records wait and none is read", each.starved_for)
