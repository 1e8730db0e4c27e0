"""Live rates: three windows before a moment, by channel."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from api import models
from api.held import Held
from api.log_state import LogState, Standing
from api.memory import Memory
from api.recent import Recent
from events.regions import Region
from projections import answers
from projections.answers import Count
from projections.clickhouse import Database
from projections.facts import Sources

WINDOWS = {"minute": 60, "hour": 3600, "day": 86_400}
FUTURE = "at is in the future"
UNHEARD = "no events in these windows, no coverage and no source reports for this region"


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
        history = self.memory.history(region.number)
        if standing is None or history is None or self.sources.ready(standing) is None:
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
        reason = FUTURE if at > now else None if counts or self._known(region, standing) else UNHEARD
        absent = [models.Absent(field="windows", reason=reason)] if reason else []
        return models.RatesAnswer(
            region=models.RegionName.of(region),
            at=at,
            windows=windows(counts, end_of_minute(at), known=reason is None),
            absent=absent + standing.absent,
            data=standing.data,
        )

    def _known(self, region: Region, standing: Standing) -> bool:
        history = self.memory.history(region.number)
        extent = answers.extent(self.database, region.number) if history is None else history.extent
        return extent is not None or self.sources.at(standing).heard(region.number)


def windows(counts: Sequence[Count], end: dt.datetime, *, known: bool) -> list[models.Window]:
    """The windows filled; without a total where nothing is known."""
    filled = []
    for name, seconds in WINDOWS.items():
        channels = {each.channel: _counts([each]) for each in counts if each.seconds == seconds}
        total = _counts([each for each in counts if each.seconds == seconds])
        begin = end - dt.timedelta(seconds=seconds)
        filled.append(
            models.Window.model_validate(
                {"window": name, "from": begin, "to": end, "total": total if known else None, "channels": channels}
            )
        )
    return filled


def end_of_minute(at: dt.datetime) -> dt.datetime:
    """The next whole minute, or `at` itself where it is one: counts are kept by minute."""
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + dt.timedelta(minutes=1)


def _counts(counts: Sequence[Count]) -> models.Counts:
    return models.Counts(
        events=sum(each.events for each in counts),
        registered=sum(each.registered for each in counts),
        activated=sum(each.activated for each in counts),
        failed=sum(each.failed for each in counts),
        deactivated=sum(each.deactivated for each in counts),
    )
