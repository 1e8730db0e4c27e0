"""The days that a question is about, from `from` and `to` as they were asked or left out."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from api.measures.shared import ONE_DAY
from api.problems import BadParameter


@dataclass(frozen=True, slots=True)
class Period:
    """From a day to another, both included."""

    first: dt.date
    last: dt.date

    @classmethod
    def of(
        cls, first: dt.date | None, last: dt.date | None, today: dt.date, *, usual: int, most: int | None = None
    ) -> Period:
        """`usual`: so many days where `first` is left out. `most`: no more may be asked for; where `last` is left out
        it is so many days on, or today if that is earlier. Raises BadParameter."""
        last = last or max(_latest(first, today, most), first or today)
        first = first or last - min(usual - 1, (last - dt.date.min).days) * ONE_DAY
        if first > last:
            raise BadParameter(**{"from": "lies after `to`"})
        if most is not None and (last - first).days >= most:
            raise BadParameter(**{"from": f"more than {most} days; ask for fewer"})
        return cls(first, last)

    def held(self, earliest: dt.date, today: dt.date) -> tuple[dt.date, dt.date]:
        """What of it tables can hold: no day before `earliest`, none after `today`."""
        return max(self.first, earliest), max(min(self.last, today), earliest)


def _latest(first: dt.date | None, today: dt.date, most: int | None) -> dt.date:
    if first is None or most is None or (today - first).days < most:
        return today
    return first + (most - 1) * ONE_DAY
