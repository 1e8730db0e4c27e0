"""Rates of the last days come from buckets by minute, older ones from the events: nobody can tell which."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence

import pytest

from events import codec
from events.catalogue import ACTIVATION
from projections import activation, answers, catalogue, sql
from projections.clickhouse import Database
from tests.test_worker import VILLAGE, activated, now_ms

OTHER_VILLAGE = VILLAGE + 1  # of the same district
HOUR = dt.timedelta(hours=1)
# Around the day at which the buckets end, and well on both sides of it.
AGES_HOURS = (2, 26, 24 * 6, 24 * 7 + 12, 24 * 8 - 1, 24 * 8 + 1, 24 * 8 + 23, 24 * 9 + 1, 24 * 11, 24 * 40)


def take_in(database: Database, ages: Sequence[int], first_person: int, village: int = VILLAGE) -> None:
    at = [now_ms() - age * 3_600_000 for age in ages]
    events = [activated(first_person + number, village, moment) for number, moment in enumerate(at)]
    raws = [codec.encode("Activated", each.values) for each in events]
    decoded = codec.decode_batch(ACTIVATION, raws, [now_ms()] * len(raws))
    assert not decoded.refused
    run = catalogue.new_run()
    catalogue.insert(database, ACTIVATION, decoded.frames, run)
    activation.recompute(database, run)


def in_hour_around(database: Database, age: int, region: int = VILLAGE) -> int:
    """Events of the hour that ends half an hour after so many hours ago."""
    end = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0) - age * HOUR + HOUR / 2
    return sum(each.events for each in answers.rates(database, region, end) if each.seconds == 3600)


def test_every_age_has_its_rate_and_late_events_count_too(clean: Database) -> None:
    take_in(clean, AGES_HOURS, 0)
    assert {age: in_hour_around(clean, age) for age in AGES_HOURS} == dict.fromkeys(AGES_HOURS, 1)
    take_in(clean, AGES_HOURS, 100)  # each once more, late
    assert {age: in_hour_around(clean, age) for age in AGES_HOURS} == dict.fromkeys(AGES_HOURS, 2)


@pytest.mark.parametrize(("age", "kept"), [(2, 1), (24 * 9, 1), (24 * 11, 0)])
def test_minutes_are_kept_up_for_the_last_days_only(age: int, kept: int, clean: Database) -> None:
    take_in(clean, [age], 0)
    assert len(clean.rows("SELECT * FROM region_minute FINAL WHERE region = %(village)s", {"village": VILLAGE})) == kept


def test_every_region_above_has_the_rates_of_its_villages(clean: Database) -> None:
    ages = (2, 30, 24 * 7 + 12, 24 * 9 + 1, 24 * 11)
    far = 3171011001  # another province
    for number, village in enumerate((VILLAGE, OTHER_VILLAGE, far)):
        take_in(clean, ages, 1000 * number, village)
    expected = {VILLAGE: 1, VILLAGE // 10**6: 2, VILLAGE // 10**8: 2, far // 10**8: 1, 0: 3}
    found = {(region, age): in_hour_around(clean, age, region) for region in expected for age in ages}
    assert found == {(region, age): expected[region] for region in expected for age in ages}


def test_a_minute_counts_alike_from_rows_and_from_events(clean: Database) -> None:
    """A moment at the end of what is kept up can be asked for either way."""
    take_in(clean, (24 * 7, 24 * 7 + 1, 24 * 7 + 20), 0)
    take_in(clean, (24 * 7,), 100, OTHER_VILLAGE)
    end = int(time.time()) // 60 * 60 - 7 * 86_400 + 60
    for region in (VILLAGE, OTHER_VILLAGE, VILLAGE // 10**4, VILLAGE // 10**6, VILLAGE // 10**8, 0):
        low, high = answers.villages_of(region)
        recent = clean.rows(sql.query("rates_recent"), {"end": end, "region": region})
        assert recent and recent == clean.rows(sql.query("rates_older"), {"end": end, "low": low, "high": high})
