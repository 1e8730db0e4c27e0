"""Rates from memory are what the table says, whatever was written to it and how, on the real engine."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from api import recent as recents
from api.recent import Recent
from events import codec
from events.catalogue import ACTIVATION
from projections import activation, answers, catalogue, minutes
from projections.answers import Count
from projections.clickhouse import Database
from tests.test_worker import VILLAGE, activated, now_ms

VILLAGES = (VILLAGE, VILLAGE + 1, VILLAGE + 10_000, 3171011001)  # two of a district, one of another, another province
REGIONS = sorted({each // cut for each in VILLAGES for cut in (1, 10**4, 10**6, 10**8, 10**10)} | {11, 9999999999})
OF_REGIONS = (Path(__file__).parent / "sql" / "rates_of_regions.sql").read_text(encoding="utf-8")
HOUR_MS, MINUTE_MS = 3_600_000, 60_000


def clock() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def whole_minute() -> dt.datetime:
    return clock().replace(second=0, microsecond=0)


def write(database: Database, first_person: int, ages_ms: list[int], village: int = VILLAGE) -> None:
    now = now_ms()
    events = [activated(first_person + number, village, now - age) for number, age in enumerate(ages_ms)]
    decoded = codec.decode_batch(
        ACTIVATION, [codec.encode("Activated", each.values) for each in events], [now] * len(events)
    )
    assert not decoded.refused
    run = catalogue.new_run()
    catalogue.insert(database, ACTIVATION, decoded.frames, run)
    activation.recompute(database, run)


def filled(database: Database) -> Recent:
    recent = Recent(database, clock)
    recent.fill(threading.Event())
    return recent


def same(recent: Recent, database: Database) -> None:
    """After a look, every region at several moments, as the table has it."""
    recent.follow()
    if recent.size() == 0:
        recent.fill(threading.Event())
    for end in moments():
        table = of_regions(database, end)
        for region in REGIONS:
            assert recent.rates(region, end) == table[region], (region, end)


def moments() -> list[dt.datetime]:
    return [whole_minute() - dt.timedelta(hours=hours) + dt.timedelta(minutes=1) for hours in (0, 1, 7, 23)]


def of_regions(database: Database, end: dt.datetime) -> dict[int, list[Count]]:
    """What `answers.rates` says of each region: asked for all at once, for it is asked often here."""
    found: dict[int, list[Count]] = {region: [] for region in REGIONS}
    for row in database.rows(OF_REGIONS, {"end": int(end.timestamp())}):
        found[row.pop("region")].append(Count(**row))
    return found


def test_every_region_has_what_was_there_before_and_what_is_written_after(clean: Database) -> None:
    for number, village in enumerate(VILLAGES):
        write(clean, 100 * number, [0, 5 * MINUTE_MS, 2 * HOUR_MS, 26 * HOUR_MS], village)
    recent = filled(clean)
    same(recent, clean)
    assert [each.events for each in recent.rates(0, whole_minute() + dt.timedelta(minutes=1)) or []][-1] == 12
    write(clean, 1000, [0, 0, MINUTE_MS, 5 * MINUTE_MS, 3 * HOUR_MS, 25 * HOUR_MS], VILLAGES[1])  # late ones too
    same(recent, clean)
    write(clean, 1000, [0, 0, MINUTE_MS], VILLAGES[1])  # again
    same(recent, clean)
    write(clean, 2000, [40 * 24 * HOUR_MS])  # older than what is held
    same(recent, clean)
    for end in moments():
        assert of_regions(clean, end) == {region: answers.rates(clean, region, end) for region in REGIONS}


def test_what_is_not_held_is_not_answered(clean: Database) -> None:
    write(clean, 0, [0])
    recent, end = Recent(clean, clock), whole_minute()
    assert recent.rates(0, end) is None
    off = Recent(clean, clock, on=False)
    off.fill(threading.Event())
    assert off.rates(0, end) is None and off.size() == 0
    recent.fill(threading.Event())
    assert recent.rates(0, end) is not None
    assert recent.rates(0, end - dt.timedelta(hours=25)) is None  # a day of it lies before what is held
    assert recent.rates(0, end - dt.timedelta(hours=23)) == []


def exchange(database: Database) -> None:
    """As `cakupan rebuild` puts a table in the place of another."""
    database.run("DROP TABLE IF EXISTS minute_other")
    database.run("CREATE TABLE minute_other AS region_minute")
    database.run("INSERT INTO minute_other SELECT * FROM region_minute FINAL WHERE minute > now() - INTERVAL 1 HOUR")
    database.run("EXCHANGE TABLES minute_other AND region_minute")
    database.run("DROP TABLE minute_other")


def altered(how: str) -> Callable[[Database], None]:
    where = "WHERE minute < now() - INTERVAL 1 HOUR SETTINGS mutations_sync = 2"
    return lambda database: database.run(f"ALTER TABLE region_minute {how} {where}")


# Of minutes in which nothing happens afterwards: what is written then recounts its minutes in some regions only.
OTHERWISE: dict[str, Callable[[Database], None]] = {
    "exchange": exchange,
    "truncate": lambda database: database.run("TRUNCATE TABLE region_minute"),
    "mend": altered("UPDATE activated = 3 * activated"),
    "delete": altered("DELETE"),
    "merge": lambda database: database.run("OPTIMIZE TABLE region_minute FINAL"),
}


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("name", OTHERWISE)
def test_all_that_happens_to_the_table(clean: Database, name: str, written: bool) -> None:
    """Before the next look, or before more is written and then looked at."""
    for number, village in enumerate(VILLAGES):
        write(clean, 100 * number, [5 * MINUTE_MS, 2 * HOUR_MS], village)
    recent = filled(clean)
    OTHERWISE[name](clean)
    if written:
        write(clean, 1000, [0, 3 * HOUR_MS], VILLAGES[2])
    same(recent, clean)
    write(clean, 2000, [MINUTE_MS, 4 * HOUR_MS], VILLAGES[3])
    same(recent, clean)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_in_whatever_order(clean: Database, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recents, "MOST_BESIDE", 6)  # they are sorted in now and then
    chance = random.Random(seed)
    often, seldom = filled(clean), filled(clean)
    for turn in range(20):
        ages = [chance.randint(0, 26 * HOUR_MS) for _ in range(chance.randint(1, 5))]
        write(clean, turn * 10, ages, chance.choice(VILLAGES))
        if chance.random() < 0.2:
            OTHERWISE["merge"](clean)
        same(often, clean)
        once(often)
    same(seldom, clean)


def once(recent: Recent) -> None:
    """One turn of what keeps it up."""
    stop = threading.Event()
    thread = threading.Thread(target=recent.tend, args=(stop,))
    thread.start()
    stop.set()
    thread.join()


def test_what_is_written_while_it_is_read_is_in_it(clean: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a look has let answers state is in what is held, though it was written while that was read."""
    write(clean, 0, [0, HOUR_MS])
    read = minutes.fresh

    def fresh(database: Database, channels: minutes.Channels, seen: int, begin: int, end: int) -> minutes.Rows:
        found = read(database, channels, seen, begin, end)
        if seen == recents.NOT_YET and begin < minutes.number_of(clock()) - 1500:
            write(clean, begin, [0, 47 * HOUR_MS])
        return found

    monkeypatch.setattr(minutes, "fresh", fresh)
    same(filled(clean), clean)


def test_old_minutes_go_when_rows_are_sorted_in(clean: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [clock()]
    recent = Recent(clean, lambda: now[0])
    write(clean, 0, [0, 40 * HOUR_MS])
    recent.fill(threading.Event())
    full = recent.size()
    monkeypatch.setattr(recents, "MOST_BESIDE", 1)
    now[0] += dt.timedelta(hours=12)
    write(clean, 10, [2 * MINUTE_MS])
    recent.follow()
    once(recent)
    end = whole_minute() + dt.timedelta(minutes=1)
    assert recent.size() == full  # three rows of 40 hours ago for three new ones
    assert recent.rates(VILLAGE, end) == answers.rates(clean, VILLAGE, end) != []
    assert recent.rates(VILLAGE, end - dt.timedelta(hours=13)) is None


def test_more_channels_than_there_is_room_for_are_refused() -> None:
    with pytest.raises(OverflowError, match="more than 32 channels"):
        minutes.Channels().numbers([str(number) for number in range(33)])
