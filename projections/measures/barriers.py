"""What barriers are counted from: failed attempts of a region's residents, by one of their particulars."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from projections import sql
from projections.answers import cut_below, villages_of
from projections.clickhouse import Database
from projections.measures.live import first_days

By = Literal["reason", "step", "region", "channel", "age_band", "device"]

PARTS: dict[By, str] = {
    "reason": "reason",
    "step": "step",
    "region": "intDiv(village, %(cut)s)",
    "channel": "channel",
    "age_band": "age_band",
    "device": "device_class",
}


@dataclass(frozen=True, slots=True)
class Failed:
    """How many attempts failed, of one part and for one reason. `part` is a name, or the number of a region."""

    part: str
    reason: str
    attempts: int


def failed(database: Database, region: int, first: dt.date, last: dt.date, by: By) -> list[Failed]:
    """Attempts that failed from `first` to `last` (days in western Indonesia, none before 1970), by domicile.

    By region, it is by those directly below; a village stands for itself. Raises DatabaseError.
    """
    low, high = villages_of(region)
    statement = sql.query("barriers").format(part=PARTS[by])
    rows = database.rows(statement, {"low": low, "high": high, "first": first, "last": last, "cut": cut_below(region)})
    return [Failed(**row) for row in rows]


def named_by(database: Database, region: int, day: dt.date) -> bool:
    """Whether an event of that day or before had named the region. Raises DatabaseError."""
    first = first_days(database, [region]).get(region)
    return first is not None and first <= day
