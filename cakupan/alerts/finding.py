"""What a look at one thing found."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple

from events.jsonform import WIB
from projections.alerts import Kind


class Key(NamedTuple):
    """What can be wrong: of each there is one open alert at most. `region` as a number; `subject`: see the contract."""

    kind: Kind
    region: int
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """How bad it is, in the kind's unit: the more, the worse. `clear_at` is lower than `raise_at`.

    `since_ms`: when it began, epoch milliseconds. `reason`: the same in words.
    """

    key: Key
    measured: float
    raise_at: float
    clear_at: float
    since_ms: int
    reason: str


def midnight_ms(day: dt.date) -> int:
    """When a day of western Indonesia begins, epoch milliseconds."""
    return round(dt.datetime.combine(day, dt.time(), WIB).timestamp() * 1000)
