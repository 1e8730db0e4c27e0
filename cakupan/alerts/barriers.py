"""barrier_surge: in a regency far more attempts fail in a day than used to."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from api.measures.shared import ONE_DAY
from cakupan.alerts.finding import Finding, Key, midnight_ms
from events.jsonform import WIB
from projections.clickhouse import Database
from projections.measures import alerts as read

PAST_DAYS = 28
LEAST_PAST = 10  # failed attempts on these days, or there is nothing to compare with
RAISE_TIMES, RAISE_LEAST = 3.0, 20.0
CLEAR_TIMES, CLEAR_LEAST = 1.5, 10.0


def find(database: Database, now: dt.datetime, _: Collection[Key]) -> Iterator[Finding]:
    """Every regency in which attempts failed lately."""
    today = now.astimezone(WIB).date()
    for region, by_day in read.failures(database, today - (PAST_DAYS + 1) * ONE_DAY, today).items():
        if (found := finding(region, by_day, today)) is not None:
            yield found


def finding(region: int, by_day: Mapping[dt.date, Counter[str]], today: dt.date) -> Finding | None:
    """Failed attempts of yesterday or of today so far, the worse of the two, against the 28 days before.

    With yesterday in it, a day that has just begun clears nothing. None: too few on the days before.
    """
    past = sum(by_day[day].total() for day in by_day if day < today - ONE_DAY)
    if past < LEAST_PAST:
        return None
    worst = max((today - ONE_DAY, today), key=lambda day: by_day.get(day, Counter()).total())
    reasons, usual = by_day.get(worst, Counter()), past / PAST_DAYS
    reason = f"{reasons.total():,} failed attempts in a day, {usual:.1f} are usual"
    if reasons:
        reason += f"; most of them: {min(reasons, key=lambda each: (-reasons[each], each))}"
    raise_at, clear_at = max(RAISE_LEAST, RAISE_TIMES * usual), max(CLEAR_LEAST, CLEAR_TIMES * usual)
    return Finding(Key("barrier_surge", region), reasons.total(), raise_at, clear_at, midnight_ms(worst), reason)
