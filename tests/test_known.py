"""Who is known to have moved before, and that a recompute which looks for nobody else counts what one that looks for
everybody does: whoever wrote the events, and whatever became of the table."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import codec
from events.catalogue import ACTIVATION
from events.codec import Event
from projections import catalogue, known, sql
from projections.clickhouse import Database
from projections.known import MOVES, Known, Look, People, Since, since
from streams.batch import Batch
from streams.ingest import Ingest
from streams.knowing import know_forever
from tests.conftest import empty
from tests.test_ingest_pace import At, Positions
from tests.test_ingest_pace import Event as InHand
from tests.test_projections import DAY_MS, NOON, NOW, VILLAGES, answers, contents, event, logs, oracle, take_in
from tests.test_properties import cut, doubled

A, B = VILLAGES[0], VILLAGES[3]


@pytest.fixture(autouse=True)
def however_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One new person counts as many: else a statement with two parts would not be worth it."""
    monkeypatch.setattr(known, "FEW_PEOPLE", 1)


@pytest.fixture
def of_all(clean: Database) -> Known:
    """Kept up however few events there are."""
    return Known(clean, least_events=0)


def keep_up(who: Known) -> int:
    """Returns how many steps it took."""
    return len(list(who.keep_up()))


def is_known(who: Known, *people: int) -> list[bool]:
    """As the door is told of an activation of each."""
    raws = [codec.encode("Activated", event("Activated", each, A, NOON, 9).values) for each in people]
    frames, _ = who.look(codec.decode_batch(ACTIVATION, raws, [NOW] * len(raws)).frames)
    frame = frames["Activated"]
    return frame["known"].to_list() if "known" in frame.columns else [True] * len(people)


def test_whoever_is_in_the_set_is_found_and_few_others() -> None:
    inside, outside = (secrets.token_bytes(16 * 20_000) for _ in range(2))
    people = People(20_000)
    for start in range(0, len(inside), 16 * 7_000):
        people.add(inside[start : start + 16 * 7_000])
    assert people.holds(inside).all()
    assert people.count == 20_000
    assert 0.01 < people.holds(outside).mean() < 0.06
    assert not People(20_000).holds(inside).any()


def test_pseudonyms_that_are_not_random_are_shared_out_as_well() -> None:
    """They should be; a source that counts its people upwards must not fill a corner of the set."""
    numbered = b"".join(each.to_bytes(16, "big") for each in range(40_000))
    people = People(20_000)
    people.add(numbered[: 16 * 20_000])
    assert people.holds(numbered[: 16 * 20_000]).all()
    assert people.holds(numbered[16 * 20_000 :]).mean() < 0.06


def test_a_set_of_a_nation_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST_BYTES", 8_000)
    people, inside = People(1_000_000), secrets.token_bytes(16 * 20_000)
    people.add(inside)
    assert people.size == 8_000
    assert people.holds(inside).all()


def test_moves_are_the_same_events_everywhere() -> None:
    """Where people's lives are told, where they are read, and where they are noted as touched."""
    for text in (sql.query("recompute_person_day"), sql.query("recompute_person_day_since"), sql.query("known_people")):
        (listed,) = re.findall(r"type IN \(([^)]*)\)", text)
        assert tuple(re.findall(r"'(\w+)'", listed)) == MOVES
    for noted in re.findall(r"type IN \(([^)]*)\)", (sql.MIGRATIONS / "0031_known_people.sql").read_text()):
        assert tuple(re.findall(r"'(\w+)'", noted)) == (*MOVES, "SubjectErased")


def test_nobody_is_held_before_everybody_was_read_and_of_few_events_never(clean: Database) -> None:
    take_in(clean, [event("Activated", person, A, NOON) for person in (1, 2)])
    who = Known(clean, least_events=2)
    assert (who.people, is_known(who, 1, 9)) == (None, [True, True])
    steps = who.keep_up()
    next(steps)
    assert who.people is None
    assert list(steps) == []
    assert is_known(who, 1, 2, 3) == [True, True, False]
    more = Known(clean, least_events=3)
    assert (keep_up(more), more.people) == (0, None)


def test_who_came_since_is_read_and_nobody_twice(clean: Database, of_all: Known) -> None:
    take_in(clean, [event("Activated", person, A, NOON) for person in range(1, 11)])
    keep_up(of_all)
    held = of_all.people
    take_in(clean, [event("ActivationRegistered", 11, A, NOON), event("SubjectArrived", 12, A, NOON)], known=of_all)
    assert is_known(of_all, 1, 11, 12) == [True, False, False]
    assert keep_up(of_all) == 1
    assert is_known(of_all, 1, 11, 12) == [True, False, True]
    assert keep_up(of_all) == 0
    assert held is of_all.people
    assert held is not None
    assert held.count == 11


def test_everybody_is_read_anew_when_there_is_no_more_room(
    clean: Database, of_all: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "CHUNK_EVENTS", 10)
    take_in(clean, [event("Activated", person, A, NOON) for person in range(1, 41)])
    assert keep_up(of_all) == 4
    first = of_all.people
    take_in(clean, [event("Activated", person, A, NOON) for person in range(41, 61)], known=of_all)
    keep_up(of_all)
    assert of_all.people is first
    keep_up(of_all)
    assert of_all.people is not first
    assert all(is_known(of_all, *range(1, 61)))


def test_what_is_known_is_noted_with_whom_a_run_touched(clean: Database, of_all: Known) -> None:
    """And everybody counts as known where nobody said a thing, and where somebody was erased."""
    take_in(clean, [event("Activated", 1, A, NOON), event("SubjectErased", 2, A, NOON)])
    keep_up(of_all)
    raws = [codec.encode("Activated", event("Activated", person, A, NOON, 3).values) for person in (1, 2, 3)]
    frames, look = of_all.look(codec.decode_batch(ACTIVATION, raws, [NOW] * len(raws)).frames)
    assert look.new == 2
    for given_, expected in (
        (frames, [False, True, True]),
        ({"Activated": frames["Activated"].drop("known")}, [True] * 3),
    ):
        run = catalogue.new_run()
        catalogue.insert(clean, ACTIVATION, given_, run)
        rows = clean.rows("SELECT known FROM touched_person WHERE run = %(run)s ORDER BY known", {"run": run})
        assert [row["known"] for row in rows] == expected


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=logs, seed=st.integers(0, 1000))
def test_whatever_is_known_the_rows_are_the_same(database: Database, log: list[Event], seed: int) -> None:
    """Read at any time, and some of it written by who knows nothing or held as part of a table long merged."""
    empty(database)
    take_in(database, log)
    first = contents(database)
    chance, who = random.Random(seed), Known(database, least_events=0)
    empty(database)
    for batch in cut(doubled(log, chance), chance):
        take_in(database, batch, known=chance.choice((who, who, None)))
        if chance.random() < 0.5:
            keep_up(who)
        if chance.random() < 0.3:
            database.run("OPTIMIZE TABLE activation_event FINAL")
    assert answers(database) == oracle(log)
    assert contents(database) == first


def test_what_another_one_wrote_meanwhile_is_found(clean: Database, of_all: Known) -> None:
    log = [event("Activated", 1, A, NOON), event("Activated", 2, A, NOON), event("SubjectArrived", 2, B, NOON + DAY_MS)]
    take_in(clean, log[:1])
    keep_up(of_all)
    take_in(clean, log[1:2])
    assert is_known(of_all, 2) == [False]
    take_in(clean, log[2:], known=of_all)
    assert answers(clean) == oracle(log)


def test_beside_those_who_are_new_all_events_of_those_who_are_known_count(clean: Database, of_all: Known) -> None:
    log = [event("Activated", 1, A, NOON), event("SubjectArrived", 1, B, NOON + DAY_MS), event("Activated", 2, A, NOON)]
    take_in(clean, log[:1])
    keep_up(of_all)
    assert is_known(of_all, 1, 2) == [True, False]
    take_in(clean, log[1:], known=of_all)
    assert answers(clean) == oracle(log)


def test_an_erased_person_is_looked_for_everywhere(clean: Database, of_all: Known) -> None:
    """What is known is the pseudonym, and the events are behind the hash."""
    log = [
        event("Activated", 1, A, NOON),
        event("SubjectErased", 1, A, NOON + DAY_MS),
        event("SubjectArrived", 1, B, NOON + 5 * DAY_MS),
    ]
    take_in(clean, log[:2])
    clean.run("OPTIMIZE TABLE activation_event FINAL")  # the pseudonym is gone, and nobody will read it
    keep_up(of_all)
    assert is_known(of_all, 1) == [False]
    take_in(clean, log[2:], known=of_all)
    assert answers(clean) == oracle(log)


def test_a_table_put_in_the_place_of_what_was_read_is_another_one(clean: Database, of_all: Known) -> None:
    """As a rebuild does while workers run: its blocks are numbered from one."""
    log = [event("Activated", person, A, NOON) for person in (1, 2, 3, 4)]
    for each in log[:2]:
        take_in(clean, [each])
    keep_up(of_all)
    clean.run("CREATE TABLE activation_other AS activation_event COMMENT 'rebuilt 1'")
    try:
        clean.run("INSERT INTO activation_other SELECT * FROM activation_event")
        clean.run("EXCHANGE TABLES activation_other AND activation_event")
        take_in(clean, log[2:3], known=of_all)
        assert answers(clean) == oracle(log[:3])
        keep_up(of_all)
        assert is_known(of_all, 1, 2, 3, 4) == [True, True, True, False]
        take_in(clean, log[3:], known=of_all)
        assert answers(clean) == oracle(log)
    finally:
        clean.run("EXCHANGE TABLES activation_other AND activation_event")
        clean.run("DROP TABLE activation_other")


def test_a_table_with_less_in_it_than_was_read_is_read_anew(clean: Database, of_all: Known) -> None:
    take_in(clean, [event("Activated", 1, A, NOON)])
    keep_up(of_all)
    empty(clean)
    keep_up(of_all)
    assert is_known(of_all, 1) == [False]


def test_where_to_look_for_those_who_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the lowest block of all looks; everywhere, where few are new or the table is not the same."""
    monkeypatch.setattr(known, "FEW_PEOPLE", 10)
    early, late, other = Since("", 5), Since("", 7), Since("rebuilt 1", 6)
    for looks, found in {
        (): None,
        (Look(),): None,
        (Look(9, early),): None,
        (Look(10, early),): early,
        (Look(5, late), Look(), Look(5, early)): early,
        (Look(9, late), Look(0, early)): None,
        (Look(10, late), Look(0, early), Look(0, other)): late,
        (Look(10, late), Look(1, other)): None,
    }.items():
        assert since(looks) == found, looks


def test_nothing_is_read_while_the_worker_is_behind_and_a_database_that_is_away_is_forgotten(
    clean: Database, of_all: Known, caplog: pytest.LogCaptureFixture
) -> None:
    take_in(clean, [event("Activated", 1, A, NOON)])
    caplog.set_level(logging.INFO, "streams.knowing")
    pressed, there = [True], of_all._database

    async def run() -> None:
        task = asyncio.create_task(know_forever(of_all, lambda: pressed[0], seconds=0.01))
        await asyncio.sleep(0.3)
        assert of_all.people is None
        pressed[0] = False
        await until(lambda: of_all.people is not None)
        of_all._database = Database("127.0.0.1", 1)
        await until(lambda: of_all.people is None)
        await asyncio.sleep(0.1)
        of_all._database = there
        await until(lambda: of_all.people is not None)
        task.cancel()

    asyncio.run(asyncio.wait_for(run(), 60))
    said = [(each.levelname, each.getMessage()) for each in caplog.records if each.name == "streams.knowing"]
    assert [level for level, _ in said] == ["INFO", "WARNING", "INFO"]
    assert said[0] == ("INFO", "knows 1 moves of people, in 0 MiB")
    assert "127.0.0.1:1" in said[1][1]


async def until(done: Callable[[], bool]) -> None:
    while not done():
        await asyncio.sleep(0.02)


def test_a_worker_looks_for_new_people_where_they_were_written(
    clean: Database, of_all: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way in, whole, but for Kafka: what it has counted is right, and by the statement that looks less far."""
    log = [event("Activated", person, VILLAGES[person % 4], NOON) for person in range(1, 30)]
    take_in(clean, log[:10])
    keep_up(of_all)
    ran: list[str] = []
    query = sql.query

    def noted(name: str) -> str:
        ran.append(name)
        return query(name)

    monkeypatch.setattr(sql, "query", noted)

    async def run() -> None:
        nothing: Any = None
        ingest = Ingest(clean, nothing, cast(Any, Positions()), nothing, 1.0, lambda: 1.0, of_all)
        tasks = [asyncio.create_task(each) for each in (ingest.insert_forever(ACTIVATION), ingest.recompute_forever())]
        for start in (10, 20):
            taken = Taken(log[start : start + 10])
            await ingest.take(taken)
            await asyncio.wait_for(taken.acknowledged.wait(), 30)
        for each in tasks:
            each.cancel()

    asyncio.run(run())
    assert answers(clean) == oracle(log)
    assert ran.count("recompute_person_day_since") == 2
    assert "recompute_person_day" not in ran


class Taken(InHand):
    """One that the way in may let go of, too."""

    def __init__(self, events: Sequence[Event]) -> None:
        raws = [codec.encode(each.type.name, each.values) for each in events]
        records = [At(offset, NOW, value=raw) for offset, raw in enumerate(raws)]
        super().__init__(Batch(ACTIVATION, 0, 0, len(records) - 1, records, 0, len(records)))
        self.app = self.consumer = self
        self.message = None

    def release(self, _: None) -> None:
        self.value.let_go()
