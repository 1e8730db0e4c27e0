"""Live rates, pure but for the questions asked: three windows before a moment, by channel."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from api import models
from api.held import Held
from api.log_state import LogState, Standing
from api.memory import Memory
from events.regions import Region
from projections import answers
from projections.answers import Count
from projections.clickhouse import Database
from projections.facts import Sources

WINDOWS = {"minute": 60, "hour": 3600, "day": 86_400}
FUTURE = "at is in the future"
UNHEARD = "no events in these windows, no coverage and no source reports for this region"


def rates(
    database: Database,
    memory: Memory,
    log_state: LogState,
    sources: Held[Sources],
    region: Region,
    at: dt.datetime,
    now: dt.datetime,
) -> models.RatesAnswer:
    """The rates of a region in the windows that end with the minute of `at`. Raises DatabaseError."""
    standing = log_state.read()
    end = end_of_minute(at)
    counts = answers.rates(database, region.number, end) if at <= now else []
    reason = FUTURE if at > now else None if counts or _known(database, memory, region, sources, standing) else UNHEARD
    absent = [models.Absent(field="windows", reason=reason)] if reason else []
    return models.RatesAnswer(
        region=models.RegionName.of(region),
        at=at,
        windows=windows(counts, end, known=reason is None),
        absent=absent + standing.absent,
        data=standing.data,
    )


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


def _known(database: Database, memory: Memory, region: Region, sources: Held[Sources], standing: Standing) -> bool:
    history = memory.history(region.number)
    extent = answers.extent(database, region.number) if history is None else history.extent
    return extent is not None or sources.at(standing).heard(region.number)


def _counts(counts: Sequence[Count]) -> models.Counts:
    return models.Counts(
        events=sum(each.events for each in counts),
        registered=sum(each.registered for each in counts),
        activated=sum(each.activated for each in counts),
        failed=sum(each.failed for each in counts),
        deactivated=sum(each.deactivated for each in counts),
    )
