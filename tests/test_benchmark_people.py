"""People that benchmarks make in ClickHouse by SQL: in the tables as they are now, and right."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import people
from events.catalogue import ACTIVATION
from projections import integrity
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


def test_the_auditor_finds_nothing_to_say_of_them(stored: Database) -> None:
    people._fill(stored, 1)
    people._reference(stored)
    people._log(stored)
    differing = {
        (topic, table): integrity.differing_in(stored, topic, table, 0, 1, 10)
        for topic, tables in integrity.HELD.items()
        for table in tables
    }
    assert not any(differing.values()), differing
    (row,) = stored.rows("SELECT count() AS events FROM logged WHERE topic = %(topic)s", {"topic": ACTIVATION})
    assert row["events"] >= PEOPLE


def test_the_last_day_is_taken_in(stored: Database) -> None:
    people.add_last_day(stored, dt.datetime.now(dt.UTC), 24)
    ask = "SELECT uniqExact(type) AS types, uniqExact(subject_id) AS people FROM activation_event"
    assert stored.rows(ask) == [{"types": 6, "people": PEOPLE}]


def test_a_copy_is_gone_afterwards_and_so_is_one_of_a_benchmark_that_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "5000"
    (folder / "store").mkdir(parents=True)
    (folder / "store" / "part").write_text("rows")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    killed, working = (tmp_path / f"copy-{pid}-x" for pid in (ended.pid, os.getpid()))
    nameless = tmp_path / "copy-x"  # as they were named before
    for each in (killed, working, nameless):
        each.mkdir()
    with people.copied(folder) as copy:
        assert (copy / "store" / "part").read_text() == "rows"
        assert [each.exists() for each in (killed, working, nameless)] == [False, True, False]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["5000", working.name]
