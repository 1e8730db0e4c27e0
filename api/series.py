"""A series, pure: from the periods that have changes to every period of a range, the active carried along."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from api import models
from api.coverage import UNHEARD, Asked
from projections.answers import Change

ONE_DAY = dt.timedelta(days=1)
NO_EVENTS = "no event has named this region yet"
ASK_OTHERWISE = "ask with `from` and `to`"
FUTURE = "the days asked for are in the future"
NOT_YET = "the days asked for lie after known_at: then they were in the future"


@dataclass(frozen=True)
class Span:
    """The days of a series, and what of them is absent. `empty`: no points at all."""

    first: dt.date | None
    last: dt.date | None
    empty: bool
    absent: list[models.Absent]


def span(
    first: dt.date | None, last: dt.date | None, extent: tuple[dt.date, dt.date] | None, *, heard: bool, asked: Asked
) -> Span:
    """The days asked for, filled up from the first and last day of data, and cut at `asked.as_of`: today, or the day
    on which it should have been known."""
    if reason := asked.unanswerable:
        return Span(first, last, True, _absent(reason))
    if not heard:
        return Span(first, last, True, _absent(UNHEARD + asked.then))
    if extent is not None:
        # One end alone may lie outside the data: the range is that day, then.
        wanted_last = last or max(extent[1], first or extent[1])
        first, last = first or min(extent[0], wanted_last), wanted_last
    if first is None or last is None:
        return Span(first, last, True, _absent(f"{NO_EVENTS}{asked.then}; {ASK_OTHERWISE}"))
    end = asked.as_of
    if first > end:
        return Span(first, last, True, _absent(FUTURE if asked.known_at is None else NOT_YET))
    if last > end:
        return Span(first, end, False, _absent(_cut(asked)))
    return Span(first, last, False, [])


def _cut(asked: Asked) -> str:
    if asked.known_at is None:
        return f"what follows today, {asked.as_of}, is in the future"
    return f"what follows {asked.as_of} was in the future at known_at"


def _absent(reason: str) -> list[models.Absent]:
    return [models.Absent(field="points", reason=reason)]


def starts(interval: str, first: dt.date, last: dt.date) -> list[dt.date]:
    """Where the periods of a range start, and before them the day that stands for all that was earlier."""
    earlier = max(first, dt.date.min + ONE_DAY) - ONE_DAY
    return [earlier, *(start for start, _ in periods(interval, first, last))]


def points(changes: Sequence[Change], interval: str, first: dt.date, last: dt.date) -> list[models.Point]:
    """One point a period from `first` to `last`. A change that starts before `first` is what was earlier."""
    by_start = {each.start: each for each in changes}
    active = sum(each.active_change for each in changes if each.start < first)
    nothing, filled = Change(first, 0, 0, 0, 0, 0), []
    for start, end in periods(interval, first, last):
        change = by_start.get(start, nothing)
        active += change.active_change
        filled.append(
            models.Point(
                start=start,
                end=end,
                active=active,
                active_change=change.active_change,
                activated=change.activated,
                deactivated=change.deactivated,
                moved_in=change.moved_in,
                moved_out=change.moved_out,
            )
        )
    return filled


def periods(interval: str, first: dt.date, last: dt.date) -> Iterator[tuple[dt.date, dt.date]]:
    """First and last day of every period, cut by the range."""
    start = first
    while start <= last:
        end = min(_end(interval, start), last)
        yield start, end
        start = end + ONE_DAY


def count(interval: str, asked: Span) -> int:
    """About how many points a span has, some fewer for months: to refuse too many before filling them."""
    if asked.empty or asked.first is None or asked.last is None:
        return 0
    days = (asked.last - asked.first).days + 1
    return days // {"day": 1, "week": 7, "month": 31}[interval]


def _end(interval: str, day: dt.date) -> dt.date:
    if interval == "day":
        return day
    if interval == "week":
        return day + (6 - day.weekday()) * ONE_DAY
    following = (day.replace(day=1) + 31 * ONE_DAY).replace(day=1)
    return following - ONE_DAY
