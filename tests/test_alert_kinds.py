"""What each kind of alert finds, against a plain recount of the raw events and reports."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import random
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from cakupan.alerts import barriers, integrity, stall, targets
from cakupan.alerts.finding import Finding, Key
from cakupan.alerts.silence import Silences
from events import regions
from events.catalogue import ACTIVATION, OUTREACH
from projections.clickhouse import Database
from projections.integrity import MISSING, Difference, write_differences
from tests.asking import asked
from tests.test_api_world import NOW, OPTIONS, WIB, denominator, happened, load, report, target

Json = dict[str, Any]
TODAY = NOW.astimezone(WIB).date()
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
YEAR = 366 * DAY
HOMES = {"61.01": "61.01.01.2001", "61.07": "61.07.01.2001", "61.72": "61.72.01.1001", "32.01": "32.01.07.2001"}


def number(code: str) -> int:
    return regions.parse_code(code)


def ms(at: dt.datetime) -> int:
    return round(at.timestamp() * 1000)


def midnight(day: dt.date) -> int:
    return ms(dt.datetime.combine(day, dt.time(), WIB))


def by_key(findings: Any) -> dict[Key, Finding]:
    listed = list(findings)
    found = {each.key: each for each in listed}
    assert len(found) == len(listed)
    assert all(each.clear_at < each.raise_at for each in listed)
    assert all(0 < len(each.reason) <= 200 for each in listed)
    return found


def numbers(found: dict[Key, Finding]) -> dict[Key, Any]:
    return {key: (each.measured, each.raise_at, each.clear_at, each.since_ms) for key, each in found.items()}


def about(value: float) -> Any:
    return pytest.approx(value, abs=0.001)


def reported(source: str, at: dt.datetime, *codes: str, complete: dt.datetime | None = None) -> Json:
    """A report, by default of a source that is complete up to then."""
    times = {"occurred_at": at.isoformat(), "recorded_at": at.isoformat()}
    return {**report(source, *codes), **times, "complete_until": (complete or at).isoformat(), "events_sent": 1}


# Silence


@dataclass(frozen=True)
class Source:
    """`every` hours it reports, some of them after a longer pause, up to `silent` hours ago, `times` times."""

    name: str
    codes: tuple[str, ...]
    every: float
    silent: float
    times: int

    def reports(self, draw: random.Random) -> list[dt.datetime]:
        at, found = NOW - self.silent * HOUR, []
        for _ in range(self.times):
            found.append(at.replace(microsecond=0))
            at -= self.every * draw.choice((1, 1, 1, 1, 1, 1.25, 3)) * HOUR
        return found


SOURCES = (
    Source("often", ("61.01",), 0.25, 0.9, 90),
    Source("often-and-gone", ("61.07",), 0.25, 1.2, 90),
    Source("nightly", ("61.72",), 24, 30, 40),
    Source("nightly-and-gone", ("32.01", "61.01.01"), 24, 200, 40),
    Source("young", ("61",), 1, 400, 10),
    Source("hardly-old-enough", ("0",), 1, 400, 11),
    Source("long-ago", ("61.01",), 24, 24 * 400, 40),
)


@pytest.fixture
def sources(clean: Database) -> tuple[Database, dict[tuple[str, str], list[dt.datetime]]]:
    draw = random.Random(8)
    times = {each: each.reports(draw) for each in SOURCES}
    given = [reported(each.name, at, *each.codes) for each in SOURCES for at in times[each]]
    load(clean, [*given, *given[::5], reported("often", NOW + HOUR, "61.01")])
    return clean, {(each.name, code): times[each] for each in SOURCES for code in each.codes}


def silence_of(times: list[dt.datetime], now: dt.datetime) -> tuple[float, float, float] | None:
    """Seconds: measured, raised at, cleared at."""
    recent = sorted(each for each in times if each >= now - YEAR)
    gaps = sorted((b - a).total_seconds() for a, b in itertools.pairwise(recent))
    if len(gaps) < 10:
        return None
    usual = gaps[math.ceil(Fraction(99, 100) * len(gaps)) - 1]
    raise_at = max(3600.0, 1.5 * usual)
    return (now - max(times)).total_seconds(), raise_at, raise_at / 1.5


def test_a_source_is_silent_against_its_own_past(
    sources: tuple[Database, dict[tuple[str, str], list[dt.datetime]]],
) -> None:
    database, times = sources
    found = by_key(Silences().find(database, NOW, ()))
    expected: dict[Key, Any] = {}
    for (source, code), said in times.items():
        told = silence_of(said, NOW)
        if told is not None and told[0] >= 3600:
            expected[Key("silence", number(code), source)] = (*map(about, told), ms(max(said)))
    assert numbers(found) == expected
    over = {key.subject for key, each in found.items() if each.measured >= each.raise_at}
    assert over == {"often-and-gone", "nightly-and-gone", "hardly-old-enough"}
    assert "nightly" in {key.subject for key in found}


def test_who_speaks_again_is_seen_and_what_was_read_before_is_kept(
    sources: tuple[Database, dict[tuple[str, str], list[dt.datetime]]],
) -> None:
    """A watch that goes on says what one that begins anew says, of late reports too."""
    database, _ = sources
    silences, key = Silences(), Key("silence", 6107, "often-and-gone")
    assert key in by_key(silences.find(database, NOW, ()))
    load(database, [reported("nightly-and-gone", NOW - 47 * HOUR, "32.01", "61.01.01")])
    load(database, [reported("often-and-gone", NOW + dt.timedelta(minutes=1), "61.07")])
    later = NOW + dt.timedelta(minutes=3)
    gone_on = by_key(silences.find(database, later, {key}))
    assert gone_on == by_key(Silences().find(database, later, {key}))
    assert (gone_on[key].measured, gone_on[key].reason) == (120.0, "heard 0.0 h ago")
    assert gone_on[Key("silence", 3201, "nightly-and-gone")].measured == pytest.approx(47 * 3600 + 180)


# Stall


def activations(draw: random.Random) -> dict[str, Counter[dt.date]]:
    """By regency and day: with Sundays off, every day, hardly ever; each ends so many days ago."""
    found: dict[str, Counter[dt.date]] = {}
    for code, (mean, ended) in {"61.01": (6, 4), "61.07": (9, 3), "61.72": (1, 6), "32.01": (5, 0)}.items():
        days = [TODAY - n * DAY for n in range(ended, 110)]
        found[code] = Counter({day: draw.randrange(2 * mean + 1) for day in days if day.weekday() != 6})
        found[code][days[0]] += 1
    return found


def stalled(counts: Counter[dt.date], complete: dt.date) -> float | None:
    last = max(day for day, n in counts.items() if n)
    quiet = [last + n * DAY for n in range(1, 400) if last + n * DAY <= complete]
    if len(quiet) == 1:
        return None
    return sum(counts[day - week * 7 * DAY] for day in quiet for week in weeks_before(day, last)) / 8


def weeks_before(day: dt.date, last: dt.date) -> list[int]:
    """How many weeks back the same weekday lies in the 56 days that end with the last activation."""
    return [week for week in range(1, 30) if last - 55 * DAY <= day - week * 7 * DAY <= last]


def test_a_stall_is_measured_by_what_the_same_weekdays_brought(clean: Database) -> None:
    counts = activations(random.Random(5))
    people = itertools.count(1)
    load(
        clean,
        [
            happened("Activated", next(people), HOMES[code], f"{day}T09:00:00")
            for code, days in counts.items()
            for day, n in days.items()
            for _ in range(n)
        ],
    )
    # Bengkayang's source has sent nothing of the last two days; of Bogor another one speaks for the province.
    load(clean, [reported("a", NOW, "61.01", "61.72"), reported("b", NOW, "61.07", complete=NOW - 2 * DAY)])
    assert Key("stall", 3201) not in by_key(stall.find(clean, NOW, ()))
    load(clean, [reported("c", NOW, "32")])
    found = by_key(stall.find(clean, NOW, ()))
    complete = {"61.01": TODAY - DAY, "61.72": TODAY - DAY, "61.07": TODAY - 3 * DAY, "32.01": TODAY - DAY}
    expected = {Key("stall", number(code)): stalled(counts[code], complete[code]) for code in counts}
    assert {key: each.measured for key, each in found.items()} == {k: v for k, v in expected.items() if v is not None}
    assert found[Key("stall", 6101)].since_ms == midnight(TODAY - 3 * DAY)
    assert {key.region for key, each in found.items() if each.measured <= each.clear_at} == {6107, 3201}


def test_a_stall_of_one_day_or_longer_than_what_can_be_read_is_not_told() -> None:
    whole = Counter({TODAY - n * DAY: 10 for n in range(2, 70)})
    first = TODAY - 116 * DAY
    assert stall.finding(6101, whole, first, TODAY - DAY) is None
    two = stall.finding(6101, whole, first, TODAY)
    assert two is not None
    assert (two.measured, two.measured >= two.raise_at) == (20.0, True)
    old = Counter({TODAY - n * DAY: 10 for n in range(62, 117)})
    assert stall.finding(6101, old, first, TODAY - DAY) is None


# Differences between log and tables


def test_differences_are_counted_by_topic_and_province(clean: Database) -> None:
    where = [(ACTIVATION, 6101012001), (ACTIVATION, 6171), (OUTREACH, 32), (OUTREACH, 0), (ACTIVATION, 3201)]
    found_at = {
        Difference(topic, MISSING, "t", n.to_bytes(16, "big"), region, TODAY, 0, n): NOW - n * HOUR
        for n, (topic, region) in enumerate(where)
    }
    write_differences(clean, found_at, still_open=True)
    closed = [each for each in found_at if each.region == 3201]
    write_differences(clean, {each: found_at[each] for each in closed}, still_open=False)
    mended = Key("integrity_difference", 32, ACTIVATION)
    found = by_key(integrity.find(clean, NOW, {mended}))
    assert {key: (each.measured, each.since_ms) for key, each in found.items()} == {
        Key("integrity_difference", 61, ACTIVATION): (2, ms(NOW - HOUR)),
        Key("integrity_difference", 32, OUTREACH): (1, ms(NOW - 2 * HOUR)),
        Key("integrity_difference", 0, OUTREACH): (1, ms(NOW - 3 * HOUR)),
        mended: (0, ms(NOW)),
    }


# Surges of failed attempts

REASONS = ("siak_down", "no_connectivity", "time_out")


def test_a_surge_is_the_worse_of_two_days_against_the_28_before(clean: Database) -> None:
    draw, people = random.Random(2), itertools.count(1)
    lately = {"61.01": (30, 4), "61.07": (12, 31), "61.72": (8, 9), "32.01": (0, 0)}
    failed: list[tuple[str, dt.date, str]] = []
    for code, (yesterday, today) in lately.items():
        days = [TODAY - n * DAY for n in range(2, 40) for _ in range(draw.randrange(12))]
        days += yesterday * [TODAY - DAY] + today * [TODAY]
        if code == "61.72":
            days = [day for day in days if day > TODAY - 3 * DAY][-20:]
        failed += [(code, day, draw.choice(REASONS)) for day in days]
    given = [
        happened("AttemptFailed", next(people), HOMES[code], f"{day}T00:30:00", reason=reason)
        for code, day, reason in failed
    ]
    load(clean, [*given, *given[::3]])
    found = by_key(barriers.find(clean, NOW, ()))
    expected: dict[Key, Any] = {}
    for code in lately:
        counts = Counter(day for each, day, _ in failed if each == code)
        past = sum(counts[TODAY - n * DAY] for n in range(2, 30))
        if past >= 10:
            worst = TODAY if counts[TODAY] > counts[TODAY - DAY] else TODAY - DAY
            raise_at, clear_at = max(20, 3 * past / 28), max(10, 1.5 * past / 28)
            key = Key("barrier_surge", number(code))
            expected[key] = (*map(about, (counts[worst], raise_at, clear_at)), midnight(worst))
    assert numbers(found) == expected
    assert expected.keys() == {Key("barrier_surge", number(code)) for code in ("61.01", "61.07", "32.01")}
    most = Counter(reason for code, day, reason in failed if code == "61.07" and day == TODAY)
    ranked = sorted(most, key=lambda each: (-most[each], each))
    assert found[Key("barrier_surge", 6107)].reason.endswith(f"most of them: {ranked[0]}")


# Targets


def test_the_risk_is_what_the_pace_says(clean: Database) -> None:
    draw, people = random.Random(3), itertools.count(1)
    load(clean, [target("61", "population", 0.5, "2024-01-01", f"{TODAY + 60 * DAY}")])
    load(clean, [target("61.72", "population", 0.001, "2024-01-01", f"{TODAY + 60 * DAY}")])
    load(clean, [target("32.01", "population", 0.5, "2024-01-01")])
    counts = {"61": 2_000, "61.01": 760, "61.07": 1_000, "61.72": 100, "32.01": 1_000}
    load(clean, [denominator(code, "population", "2024-12-31", value) for code, value in counts.items()])
    days = [(code, TODAY - draw.randrange(1, 90) * DAY) for code in HOMES for _ in range(220)]
    load(clean, [happened("Activated", next(people), HOMES[code], f"{day}T09:00:00") for code, day in days])
    found = by_key(targets.find(clean, NOW, ()))
    with TestClient(create_app(clean, OPTIONS)) as client:
        told = {code: asked(client, f"/v1/pace/{code}") for code in ("0", "61", "61.01", "61.07", "61.72", "32.01")}
    chances = {code: each["chance"]["value"] for code, each in told.items() if each["chance"]}
    assert set(chances) == {"61", "61.01", "61.07"}
    assert any(0 < each < 1 for each in chances.values())
    expected = {Key("target_at_risk", number(code)): pytest.approx(1 - each) for code, each in chances.items()}
    met = Key("target_at_risk", number("61.72"))
    assert {key: each.measured for key, each in found.items()} == {**expected, met: 0.0}
    gone = Key("target_at_risk", number("32.01"))
    over = by_key(targets.find(clean, NOW, {gone}))[gone]
    assert (over.measured, over.reason) == (0.0, "no target that ends on a day holds any more")
