"""What measures share: shares with both their parts, and what a question about a day needs."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from api.context import Context
from api.coverage import Facts, rounded
from api.log_state import Standing
from api.models import Model
from events.regions import Region

ONE_DAY = dt.timedelta(days=1)
EARLIEST = dt.date(2000, 1, 1)  # long before IKD; the tables can hold a year before it


class Share(Model):
    """`value` is numerator / denominator, rounded to six places and never clamped; null where it can't be told."""

    numerator: int
    denominator: int
    value: float | None

    @classmethod
    def of(cls, part: int, whole: int, fewest: int = 1) -> Share:
        """Without a value where the whole is less than `fewest`."""
        value = rounded(Fraction(part, whole)) if whole >= fewest else None
        return cls(numerator=part, denominator=whole, value=value)


def widening(count: int) -> float:
    """How many times as far from their mean what is drawn again from so few (4 or more) has to lie: a bootstrap's
    variance is (n - 1) / n of the sample's, and that of Student's distribution (n - 1) / (n - 3) of a normal one's."""
    return count / math.sqrt((count - 1) * (count - 3))


def facts_on(
    context: Context, standing: Standing, wanted: Sequence[Region], as_of: dt.date, active: Mapping[int, int]
) -> Facts:
    """What figures of some regions on a day need beside the people counted in them: from memory."""
    reference = context.references.at(standing).about((each.number for each in wanted), as_of)
    heard = heard_of(context, standing, [each for each in wanted if each.number not in active])
    return Facts(active, heard, reference)


def heard_of(context: Context, standing: Standing, wanted: Sequence[Region]) -> set[int]:
    """Those of some regions that a source speaks for: 0 is an answer there."""
    if not wanted:
        return set()
    sources = context.sources.at(standing)
    return {each.number for each in wanted if sources.heard(each.number)}
