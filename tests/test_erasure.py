"""After SubjectErased no table holds the pseudonym, every count is what it was, and nothing brings it back."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import Any

import pytest

from events.codec import Event
from projections import activation, catalogue, erasure, sql, stages
from projections.clickhouse import Database
from tests.conftest import empty
from tests.test_projections import DAY_MS, NOON, VILLAGES, answers, contents, event, marks, oracle, take_in

ERASED, OTHER = 7, 8
A, B = VILLAGES[0], VILLAGES[3]
LIFE = [
    event("ActivationRegistered", ERASED, A, NOON),
    event("Activated", ERASED, A, NOON + DAY_MS),
    event("SubjectDeparted", ERASED, A, NOON + 2 * DAY_MS),
    event("SubjectArrived", ERASED, B, NOON + 3 * DAY_MS),
    event("Activated", OTHER, A, NOON + DAY_MS),
]
ERASURE = event("SubjectErased", ERASED, B, NOON + 4 * DAY_MS)


def holders(database: Database, subject: bytes) -> dict[str, int]:
    """Tables with rows that hold these bytes in any column, or their text in any form."""
    forms = (subject, subject.hex().encode(), subject.hex().upper().encode())
    found = {}
    tables = database.rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%%MergeTree'"
    )
    for table in (row["name"] for row in tables):
        columns = [row["name"] for row in database.rows(f"DESCRIBE TABLE {table}")]
        text = " || '|' || ".join(f"ifNull(toString({name}), '')" for name in columns)
        where = " OR ".join(f"position({text}, unhex('{form.hex()}')) > 0" for form in forms)
        (count,) = database.rows(f"SELECT count() AS n FROM {table} WHERE {where}")
        if count["n"]:
            found[table] = count["n"]
    return found


def subject_of(each: Event) -> bytes:
    value: bytes = each.values["subject_id"]
    return value


def sums(database: Database) -> list[dict[str, Any]]:
    return [
        row
        for table in ("coverage_day", "region_minute", "service_day")
        for row in database.rows(f"SELECT * FROM {table} FINAL ORDER BY ALL")
    ]


def test_no_table_holds_the_pseudonym_and_the_counts_stay(clean: Database) -> None:
    take_in(clean, LIFE)
    coverage = answers(clean)
    assert set(holders(clean, subject_of(ERASURE))) == {"activation_event", "person_day"}
    take_in(clean, [ERASURE])
    assert holders(clean, subject_of(ERASURE)) == {}
    assert set(holders(clean, subject_of(LIFE[-1]))) == {"activation_event", "person_day"}
    assert answers(clean) == coverage == oracle([*LIFE, ERASURE])


@pytest.mark.parametrize("late", LIFE[:4], ids=lambda each: each.type.name)
def test_an_event_that_comes_after_the_erasure_joins_the_person_and_brings_nothing_back(
    clean: Database, late: Event
) -> None:
    take_in(clean, [each for each in LIFE if each is not late])
    take_in(clean, [ERASURE])
    take_in(clean, [late, late])
    assert holders(clean, subject_of(ERASURE)) == {}
    assert answers(clean) == oracle([*LIFE, ERASURE])


def orders() -> Iterable[tuple[str, list[Event], int]]:
    whole = [*LIFE, ERASURE]
    yield "one batch", whole, 1
    yield "the erasure first", whole[::-1], 6
    yield "doubled", [*whole, *whole], 5
    yield "erased twice", [ERASURE, *LIFE, ERASURE], 3


@pytest.mark.parametrize(("name", "log", "cuts"), list(orders()))
def test_in_any_order_the_tables_are_the_same(clean: Database, name: str, log: list[Event], cuts: int) -> None:
    take_in(clean, [*LIFE, ERASURE], cuts=6)
    first = contents(clean)
    empty(clean)
    take_in(clean, log, cuts=cuts)
    assert contents(clean) == first, name
    assert holders(clean, subject_of(ERASURE)) == {}


MOVES = ("ActivationRegistered", "Activated", "Deactivated", "SubjectDeparted", "SubjectArrived")


def wandering(person: int, chance: random.Random) -> list[Event]:
    """A life in several villages, and its end."""
    days = sorted(chance.sample(range(20), chance.randint(1, 6)))
    life = [event(chance.choice(MOVES), person, chance.choice(VILLAGES), NOON + day * DAY_MS) for day in days]
    return [*life, event("SubjectErased", person, chance.choice(VILLAGES), NOON + 21 * DAY_MS)]


def test_nothing_is_left_of_people_wherever_they_lived_and_whenever_they_were_staged(clean: Database) -> None:
    chance = random.Random(5)
    lives = [wandering(person, chance) for person in range(1, 13)]
    log = sorted((each for life in lives for each in life), key=lambda each: each.values["occurred_at"])
    log.sort(key=lambda each: each.type.name == "SubjectErased")
    take_in(clean, log[:20], cuts=3)
    list(stages.refresh(clean))
    take_in(clean, log[20:], cuts=4)
    erased = {"subjects": tuple(subject_of(life[0]).hex().upper() for life in lives)}
    for table in erasure.TABLES:
        assert clean.rows(f"SELECT * FROM {table} WHERE hex(subject_id) IN %(subjects)s", erased) == []
    assert answers(clean) == oracle(log)


@pytest.mark.parametrize("steps", range(len(erasure.REWRITE) + 1))
def test_a_crash_between_the_steps_leaves_nothing_behind(clean: Database, steps: int) -> None:
    take_in(clean, LIFE)
    list(stages.refresh(clean))
    crashed = catalogue.new_run()
    erasure.begin(clean, crashed, [subject_of(ERASURE)])
    for name in erasure.REWRITE[:steps]:
        clean.run(sql.query(name), {"run": crashed})
    activation.forget_older(clean, catalogue.new_run())  # as the next worker does, to which the batch comes again
    take_in(clean, [ERASURE])
    assert holders(clean, subject_of(ERASURE)) == {}
    assert answers(clean) == oracle([*LIFE, ERASURE])


@pytest.mark.parametrize(
    ("table", "name"), [("person_day", "erase_person_days"), ("person_stage", "erase_person_stages")]
)
def test_what_is_left_of_a_person_is_looked_up_where_their_events_say(clean: Database, table: str, name: str) -> None:
    """Of a table of hundreds of granules some are read: all of a nation's would hold up every answer for seconds."""
    defaults = "village, day, subject_id FROM (SELECT %(village)s + number %% 200 AS village, today() - 350"
    clean.run(
        f"INSERT INTO {table} (village, day, subject_id) SELECT {defaults} + number %% 700 AS day,"
        " reinterpretAsFixedString(toUInt128(number)) AS subject_id FROM numbers(300000))",
        {"village": VILLAGES[0]},
    )
    take_in(clean, LIFE[:2])
    run = catalogue.new_run()
    erasure.begin(clean, run, [subject_of(ERASURE)])
    clean.run(sql.query("erase_copy"), {"run": run})
    where = re.search(r"^WHERE.*?(?=^SETTINGS)", sql.query(name), re.MULTILINE | re.DOTALL)
    assert where
    whole = f"SELECT * FROM {table}"
    read = marks(clean, table, f"{whole} {where[0]}", {"run": run})
    assert 0 < read < marks(clean, table, whole, {}) / 10


def test_a_sum_is_never_seen_too_high(clean: Database) -> None:
    take_in(clean, LIFE)
    before = sums(clean)
    take_in(clean, [ERASURE])
    coverage = [row for row in sums(clean) if "active_change" in row]
    assert coverage == [row for row in before if "active_change" in row]


def test_a_run_from_before_the_erasure_that_counts_after_it_brings_nothing_back(clean: Database) -> None:
    early = catalogue.new_run()
    take_in(clean, LIFE, run=early)
    take_in(clean, [ERASURE])
    activation.recompute(clean, early)
    assert holders(clean, subject_of(ERASURE)) == {}
    assert answers(clean) == oracle([*LIFE, ERASURE])


def rows_on_disk(database: Database) -> int:
    """Rows in the files of the two tables, erased ones included, patches left out."""
    (row,) = database.rows(
        "SELECT sum(rows) AS n FROM system.parts WHERE active AND database = currentDatabase()"
        " AND table IN ('activation_event', 'person_day') AND NOT startsWith(name, 'patch-')"
    )
    return int(row["n"])


def test_erased_rows_leave_the_disk(clean: Database) -> None:
    take_in(clean, LIFE)
    take_in(clean, [ERASURE])
    counted, stored = answers(clean), rows_on_disk(clean)
    assert erasure.destroy(clean) == []  # they are younger than a day
    assert erasure.destroy(clean, older_than=0, wait=True) == ["activation_event", "person_day"]
    in_tables = sum(clean.rows(f"SELECT count() AS n FROM {table}")[0]["n"] for table in erasure.TABLES)
    assert rows_on_disk(clean) == in_tables < stored
    assert answers(clean) == counted == oracle([*LIFE, ERASURE])


def test_people_stay_erased_when_parts_are_merged_later(clean: Database) -> None:
    take_in(clean, LIFE, cuts=3)
    take_in(clean, [ERASURE])
    take_in(clean, LIFE[2:4])
    for table in erasure.TABLES:
        clean.run(f"OPTIMIZE TABLE {table} FINAL")
    assert holders(clean, subject_of(ERASURE)) == {}
    assert answers(clean) == oracle([*LIFE, ERASURE])
