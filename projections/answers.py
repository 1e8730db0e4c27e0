"""What is asked of the tables: one function a question, one query each. Rows in, plain values out; no rules here."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from events import regions
from projections import sql
from projections.clickhouse import Database

# ClickHouse's Date32 begins here; nothing is older than 2022, so an earlier day asks for the same.
EARLIEST_DAY = dt.date(1900, 1, 1)
EARLIEST_EPOCH = 2 * 86_400
VILLAGE_DIGITS = 10
LEVEL_DIGITS = (2, 4, 6, VILLAGE_DIGITS)
# Milliseconds since 1970 that no event is recorded after: all that is known by now.
BY_NOW = 2**62
# Windows of a day that end so long ago are counted from minutes; those of ten days are kept up, a day is to spare.
MINUTES_RIGHT_SECONDS = 8 * 86_400


class Denominator(NamedTuple):
    """A count of people. `value` None: released only later, first on `first`. An estimate has a `method`."""

    value: int | None
    vintage: dt.date | None
    first: dt.date
    source: str
    method: str


@dataclass(frozen=True, slots=True)
class Target:
    """The share of `basis` that should be active in `region`, from a day to a day (None: open)."""

    region: int
    basis: str
    ratio: float
    valid_from: dt.date
    valid_to: dt.date | None
    source: str


@dataclass
class Reference:
    """What holds on a day: denominators by (region, basis, estimated), targets by region."""

    denominators: dict[tuple[int, str, bool], Denominator] = field(default_factory=dict)
    targets: dict[int, Target] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """A partition of the log: `next` is the first offset that is not in the answers, `head` where the log ended."""

    topic: str
    partition: int
    next: int
    head: int
    caught_up: bool
    record_at: dt.datetime
    checked_at: dt.datetime


@dataclass(frozen=True)
class LogPlace:
    """Where the answers stand, and up to where they were recounted, by topic and partition."""

    taken: list[Place]
    verified: list[Place]


class Change(NamedTuple):
    """What changed in a period: people, by domicile."""

    start: dt.date
    active_change: int
    activated: int
    deactivated: int
    moved_in: int
    moved_out: int


class Count(NamedTuple):
    """Events of one channel in the window of so many seconds."""

    seconds: int
    channel: str
    events: int
    registered: int
    activated: int
    failed: int
    deactivated: int


@dataclass(frozen=True, slots=True)
class Source:
    """The last report of a source. `regions`: codes as numbers; times in UTC."""

    source: str
    reported_at: dt.datetime
    complete_until: dt.datetime
    events_sent: int
    regions: list[int]


def active_people(database: Database, codes: Sequence[int], as_of: dt.date) -> dict[int, int]:
    """People with an active IKD at the end of `as_of`, by region; regions that no event has named are left out."""
    rows = database.rows(sql.query("coverage_at"), {"regions": tuple(codes), "as_of": _day(as_of)})
    return {row["region"]: row["active"] for row in rows}


def active_people_known(
    database: Database, region: int, as_of: dt.date, activated_ms: int, amended_ms: int
) -> int | None:
    """People with an active IKD at the end of `as_of`, from the events recorded by some time; None where none of them
    names the region. `activated_ms` counts for activations, `amended_ms` for what ends or moves them.
    """
    found = _known(database, region, 10 ** (VILLAGE_DIGITS - digits(region)), as_of, activated_ms, amended_ms)
    return found.get(region)


def active_below_known(database: Database, region: int, as_of: dt.date, known_ms: int) -> dict[int, int]:
    """The same of the regions directly below one, and of the region itself; those that none of the events names are
    left out."""
    below = _known(database, region, cut_below(region), as_of, known_ms, known_ms)
    return {**below, region: sum(below.values())} if below else {}


def extent(database: Database, region: int) -> tuple[dt.date, dt.date] | None:
    """First and last day of a region's data; None where no event has named it."""
    (row,) = database.rows(sql.query("coverage_extent"), {"region": region})
    return (row["first"], row["last"]) if row["days"] else None


def changes(database: Database, region: int, interval: str, first: dt.date, last: dt.date) -> list[Change]:
    """Changes by `day`, `week` or `month`; what lies before `first` comes as one change on the day before it."""
    params = {"region": region, "interval": interval, "first": _day(first), "last": _day(last)}
    return [Change(**row) for row in database.rows(sql.query("coverage_days"), params)]


def changes_known(database: Database, region: int, known_ms: int) -> list[Change]:
    """What changed in a region, from the events recorded by some time: every day that they name in it, in order."""
    params = {"region": region, **_range(region), "known_ms": known_ms}
    return [Change(**row) for row in database.rows(sql.query("series_known"), params)]


def rates(database: Database, region: int, end: dt.datetime) -> list[Count]:
    """Events of the region's residents in the minute, hour and day before `end`, which is a whole minute."""
    seconds = max(int(end.timestamp()), EARLIEST_EPOCH)
    if seconds >= time.time() - MINUTES_RIGHT_SECONDS:
        rows = database.rows(sql.query("rates_recent"), {"end": seconds, "region": region})
    else:
        low, high = villages_of(region)
        rows = database.rows(sql.query("rates_older"), {"end": seconds, "low": low, "high": high})
    return [Count(**row) for row in rows]


# The tables that `log_place` reads.
OF_LOG_PLACE = ("position", "verified")


def log_place(database: Database) -> LogPlace:
    """Where the answers stand in the log. Ask it before the numbers: they hold at least that much."""
    found = LogPlace([], [])
    places = {"taken": found.taken, "verified": found.verified}
    rows = database.rows(sql.query("log_place"))
    for row in sorted(rows, key=lambda each: (each["topic"], each["partition"])):
        places[row.pop("kind")].append(Place(**{**row, "caught_up": bool(row["caught_up"])}))
    return found


def next_offsets(places: Iterable[Place]) -> dict[tuple[str, int], int]:
    """By topic and partition: the first offset behind."""
    return {(each.topic, each.partition): each.next for each in places}


def sources(database: Database) -> list[Source]:
    """The last report of every source, by name."""
    return [Source(**row) for row in database.rows(sql.query("sources_last"))]


def synthetic(database: Database) -> bool:
    """Whether any source or event comes from a generator."""
    return any(database.rows(sql.query(name)) for name in ("synthetic_sources", "synthetic_events"))


def villages_of(region: int) -> tuple[int, int]:
    """Lowest and highest number that a village within the region can have."""
    if region == regions.NATION:
        return 0, 10**VILLAGE_DIGITS - 1
    width = 10 ** (VILLAGE_DIGITS - len(str(region)))
    return region * width, (region + 1) * width - 1


def digits(region: int) -> int:
    """Of a region's code; the nation has none."""
    return 0 if region == regions.NATION else len(str(region))


def cut_below(region: int) -> int:
    """What a village's code is divided by for that of the region directly below this one; of a village, its own."""
    below = next((each for each in LEVEL_DIGITS if each > digits(region)), VILLAGE_DIGITS)
    return int(10 ** (VILLAGE_DIGITS - below))


def _known(
    database: Database, region: int, cut: int, as_of: dt.date, activated_ms: int, amended_ms: int
) -> dict[int, int]:
    params = {"region": region, **_range(region), "cut": cut, "as_of": _day(as_of)}
    rows = database.rows(
        sql.query("coverage_known"), {**params, "activated_ms": activated_ms, "amended_ms": amended_ms}
    )
    return {row["region"]: row["active"] for row in rows}


def _range(region: int) -> dict[str, int]:
    """The same, without the number that stands for no village."""
    low, high = villages_of(region)
    return {"low": max(low, 1), "high": high}


def _day(day: dt.date) -> dt.date:
    return max(day, EARLIEST_DAY)
