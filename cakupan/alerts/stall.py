"""stall: a regency brings no activation day after day, though its source is heard and its past has them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping

from api.measures.shared import ONE_DAY
from api.measures.silence import last_complete
from cakupan.alerts.finding import Finding, Key, midnight_ms
from events import regions
from events.jsonform import WIB
from projections import facts
from projections.clickhouse import Database
from projections.measures import silence as read

PAST_WEEKS = 8
PAST_DAYS = 7 * PAST_WEEKS
LONGEST_DAYS = 60  # of a stall that can still be measured by what was before it
LEAST_DAYS = 2
RAISE_AT, CLEAR_AT = 20.0, 0.0  # activations that were to be expected


def find(database: Database, now: dt.datetime, _: Collection[Key]) -> Iterator[Finding]:
    """Every regency of which that can be told."""
    today = now.astimezone(WIB).date()
    first = today - (PAST_DAYS + LONGEST_DAYS) * ONE_DAY
    codes = [each.number for each in regions.by_number().values() if each.level == "regency"]
    activated = read.activations(database, codes, first, today)
    sources = facts.sources(database)
    for region, by_day in activated.items():
        until_ms = sources.until(region)
        if until_ms is not None:
            complete = min(last_complete(until_ms), today - ONE_DAY)
            if (found := finding(region, by_day, first, complete)) is not None:
                yield found


def finding(region: int, activated: Mapping[dt.date, int], first: dt.date, complete: dt.date) -> Finding | None:
    """Activations that were to be expected on the whole days since the last one; None: that can't be told.

    `activated`: by day, from `first` on. `complete`: the last day of which a source has sent everything.
    """
    last = max(activated)
    run = [last + n * ONE_DAY for n in range(1, (complete - last).days + 1)]
    past = last - (PAST_DAYS - 1) * ONE_DAY
    if len(run) in range(1, LEAST_DAYS) or past < first:
        return None
    weekday = [0] * 7
    for day, count in activated.items():
        weekday[day.weekday()] += count if day >= past else 0
    expected = sum(weekday[day.weekday()] for day in run) / PAST_WEEKS
    reason = (
        f"no activation on {len(run)} whole days; {expected:.1f} were to be expected" if run else "activations again"
    )
    return Finding(Key("stall", region), expected, RAISE_AT, CLEAR_AT, midnight_ms(last + ONE_DAY), reason)
