"""Live rates: three windows before a moment, by channel.

A window without events is 0 only where somebody vouches for it, by the one rule that the comparison with last week has.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from api import models
from api.held import Held
from api.log_state import LogState, Standing
from api.measures import live
from api.measures.live import Heard, Span
from api.memory import Memory
from api.recent import Recent
from events.regions import Region
from projections import answers
from projections.answers import Count
from projections.clickhouse import Database
from projections.facts import Sources

WINDOWS = {"minute": 60, "hour": 3600, "day": 86_400}


@dataclass(frozen=True)
class Rates:
    """Rates of a region in the windows that end with the minute of a moment, `at`; `now` is the present one."""

    database: Database
    memory: Memory
    recent: Recent
    log_state: LogState
    sources: Held[Sources]

    def at_once(self, region: Region, at: dt.datetime, now: dt.datetime) -> models.RatesAnswer | None:
        """From memory; None where something is to be waited for."""
        standing = self.log_state.recent()
        line = self.memory.line(region.number)
        if standing is None or line is None or self.sources.ready(standing) is None:
            return None
        counts = self.recent.rates(region.number, end_of_minute(at)) if at <= now else []
        return None if counts is None else self._answer(standing, region, at, now, counts)

    def read(self, region: Region, at: dt.datetime, now: dt.datetime) -> models.RatesAnswer:
        """Waits for the tables. Raises DatabaseError."""
        standing = self.log_state.read()
        return self._answer(standing, region, at, now, self._counts(region, end_of_minute(at)) if at <= now else [])

    def _counts(self, region: Region, end: dt.datetime) -> list[Count]:
        held = self.recent.rates(region.number, end)
        return answers.rates(self.database, region.number, end) if held is None else held

    def _answer(
        self, standing: Standing, region: Region, at: dt.datetime, now: dt.datetime, counts: Sequence[Count]
    ) -> models.RatesAnswer:
        heard = self._heard(region, standing)

        def silent(span: Span) -> str | None:
            return live.FUTURE if at > now else heard.silent(region.number, span)

        filled, absent = windows(counts, end_of_minute(at), silent)
        return models.RatesAnswer(
            region=models.RegionName.of(region),
            at=at,
            windows=filled,
            absent=absent + standing.absent,
            data=standing.data,
        )

    def _heard(self, region: Region, standing: Standing) -> Heard:
        line = self.memory.line(region.number)
        extent = answers.extent(self.database, region.number) if line is None else line.extent
        first_days = {} if extent is None else {region.number: extent[0]}
        return Heard(first_days, self.sources.at(standing))


def windows(
    counts: Sequence[Count], end: dt.datetime, silent: Callable[[Span], str | None]
) -> tuple[list[models.Window], list[models.Absent]]:
    """The windows filled, and what is absent of them. `silent`: why one without events is no data; None: it is 0."""
    filled, absent = [], []
    for name, seconds in WINDOWS.items():
        own = [each for each in counts if each.seconds == seconds]
        span = Span(end - dt.timedelta(seconds=seconds), end)
        reason = None if own else silent(span)
        window = {
            "window": name,
            "from": span.begin,
            "to": span.end,
            "total": None if reason else live.counts_of(own),
            "channels": {each.channel: live.counts_of([each]) for each in own},
        }
        filled.append(models.Window.model_validate(window))
        absent += [models.Absent(field=f"windows.{name}.total", reason=reason)] if reason else []
    return filled, absent


def end_of_minute(at: dt.datetime) -> dt.datetime:
    """The next whole minute, or `at` itself where it is one: counts are kept by minute."""
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + dt.timedelta(minutes=1)
