"""People that benchmarks make in ClickHouse by SQL: in the tables as they are now, and right."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from benchmarks import people
from projections.clickhouse import Database

PEOPLE = 5_000


@pytest.fixture
def stored(clean: Database) -> Iterator[Database]:
    people._villages(clean, PEOPLE)
    yield clean
    clean.run("DROP DATABASE people")


def test_they_are_what_the_worker_would_have_written(stored: Database) -> None:
    people._fill(stored, 1)
    people.check(stored)  # people's days and the regions' are those that the worker's own statements find


def test_the_last_day_is_taken_in(stored: Database) -> None:
    people.add_last_day(stored, dt.datetime.now(dt.UTC), 24)
    ask = "SELECT uniqExact(type) AS types, uniqExact(subject_id) AS people FROM activation_event"
    assert stored.rows(ask) == [{"types": 6, "people": PEOPLE}]
