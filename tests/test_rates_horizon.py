"""Rates of the last days come from buckets by minute, older ones from the events: nobody can tell which."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest

from events import codec
from events.catalogue import ACTIVATION
from projections import activation, answers, catalogue
from projections.clickhouse import Database
from tests.test_worker import VILLAGE, activated, now_ms

HOUR = dt.timedelta(hours=1)
# Around the day at which the buckets end, and well on both sides of it.
AGES_HOURS = (2, 26, 24 * 6, 24 * 7 + 12, 24 * 8 - 1, 24 * 8 + 1, 24 * 8 + 23, 24 * 9 + 1, 24 * 11, 24 * 40)


def take_in(database: Database, ages: Sequence[int], first_person: int) -> None:
    at = [now_ms() - age * 3_600_000 for age in ages]
    events = [activated(first_person + number, VILLAGE, moment) for number, moment in enumerate(at)]
    raws = [codec.encode("Activated", each.values) for each in events]
    decoded = codec.decode_batch(ACTIVATION, raws, [now_ms()] * len(raws))
    assert not decoded.refused
    run = catalogue.new_run()
    catalogue.insert(database, ACTIVATION, decoded.frames, run)
    activation.recompute(database, run)


def in_hour_around(database: Database, age: int) -> int:
    """Events of the hour that ends half an hour after so many hours ago."""
    end = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0) - age * HOUR + HOUR / 2
    return sum(each.events for each in answers.rates(database, VILLAGE, end) if each.seconds == 3600)


def test_every_age_has_its_rate_and_late_events_count_too(clean: Database) -> None:
    take_in(clean, AGES_HOURS, 0)
    assert {age: in_hour_around(clean, age) for age in AGES_HOURS} == dict.fromkeys(AGES_HOURS, 1)
    take_in(clean, AGES_HOURS, 100)  # each once more, late
    assert {age: in_hour_around(clean, age) for age in AGES_HOURS} == dict.fromkeys(AGES_HOURS, 2)


@pytest.mark.parametrize(("age", "kept"), [(2, 1), (24 * 9, 1), (24 * 11, 0)])
def test_minutes_are_kept_up_for_the_last_days_only(age: int, kept: int, clean: Database) -> None:
    take_in(clean, [age], 0)
    assert len(clean.rows("SELECT * FROM rate_minute FINAL")) == kept
