"""How the number of active people in a region changed, day by day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from projections import answers
from projections.clickhouse import Database

ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class History:
    """`changes`: net change of the active people on each day from `first` on, days without one as 0. `last_event`: the
    last day that an event named."""

    first: dt.date
    changes: Sequence[int]
    last_event: dt.date | None = None

    @property
    def last(self) -> dt.date:
        return self.first + (len(self.changes) - 1) * ONE_DAY


def history(database: Database, region: int, last: dt.date) -> History | None:
    """All days from the region's first event to `last`; None where no event names it by then. Raises DatabaseError."""
    rows = answers.changes(database, region, "day", answers.EARLIEST_DAY, last)
    if not rows:
        return None
    first, found = rows[0].start, {each.start: each.active_change for each in rows}
    return History(first, [found.get(first + n * ONE_DAY, 0) for n in range((last - first).days + 1)], rows[-1].start)
