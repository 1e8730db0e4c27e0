"""Coverage from memory is what the table says, whatever was written to it and how, on the real engine."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api import log_state
from api.app import create_app
from api.log_state import LogState
from api.memory import TABLE, Memory
from api.shared import Shared
from events import regions
from events.catalogue import ACTIVATION
from projections import activation, answers, blocks, catalogue, integrity, lines, position
from projections.base import EPOCH
from projections.clickhouse import Database
from projections.errors import Unavailable
from projections.lines import Line
from tests.test_api_world import OPTIONS, happened, load, seed, stand

VILLAGES = ("61.01.01.2001", "61.01.01.2002", "61.01.02.2003", "61.72.01.1001", "32.01.01.1001")
CODES = sorted({above for each in VILLAGES for above in regions.ancestors_of(int(each.replace(".", "")))} | {11, 1101})
FIRST = dt.date(2024, 6, 1)
DAYS = [dt.date.min, dt.date(1969, 12, 31), *(FIRST + dt.timedelta(days=n) for n in range(-1, 32)), dt.date.max]
ROOM = 1 << 30
SEEDS = range(4)
LEVELS = 5  # days that an event changes: its village's, and those of all above
HERE = " AND database = currentDatabase()"


class Watched(Database):
    """A database that counts its large reads, can do something when one has been read, and can be away."""

    def __init__(self, real: Database) -> None:
        host, port = real.address.split(":")
        super().__init__(host, int(port))
        self.lines = self.fresh = self.sums = self.looked_up = self.learned = 0
        self.then: Callable[[str], None] = lambda _: None
        self.away = False

    def at_leisure(self) -> Watched:
        return self  # that all is counted in one place

    def columns(self, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        if self.away:
            raise Unavailable("away")
        found = super().columns(sql, params)
        self.lines += "region IN (" in sql or "%(regions)s" in sql
        self.fresh += "_part" in sql
        self.looked_up += "region, day) IN (" in sql
        self.learned += "day IN %(days)s" in sql
        self.then(sql)
        return found

    def rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        self.sums += "sumIf(active_change" in sql
        return super().rows(sql, params)


def same(memory: Memory, database: Database, days: Sequence[dt.date] = DAYS) -> None:
    """After a look, every region on every day as the table has it: what is in memory, and what is not."""
    memory.follow()
    rows = database.rows(
        "SELECT region, day, active_change FROM coverage_day FINAL WHERE region IN %(codes)s", {"codes": tuple(CODES)}
    )
    for day in days:
        # Of a region that has rows at all it is known that nobody was active before the first.
        wanted = {row["region"]: 0 for row in rows}
        for row in rows:
            wanted[row["region"]] += row["active_change"] if row["day"] <= day else 0
        held = {code: memory.held([code], day) for code in CODES}
        assert {code: each for code, each in held.items() if each is not None} == {
            code: {code: wanted[code]} if code in wanted else {} for code, each in held.items() if each is not None
        }, day
        assert memory.active(CODES, day) == wanted, day
    # And so do those who ask the table for the sums.
    assert answers.active_people(database, CODES, days[-1]) == wanted


def warm(memory: Memory) -> None:
    """Read every region into memory."""
    memory.follow()
    for code in CODES:
        memory.active([code], FIRST)
    assert memory.held(CODES, FIRST) is not None


def activated(person: int, village: str, day: int, **more: Any) -> dict[str, Any]:
    return happened("Activated", person, village, f"2024-06-{day:02}T09:00:00", **more)


STEPS: dict[str, list[dict[str, Any]]] = {
    "new": [activated(n, VILLAGES[n % 4], 10 + n % 9) for n in range(40)],
    "more on a day there is": [activated(100, VILLAGES[0], 10)],
    "late, on a day between": [activated(101, VILLAGES[0], 2)],
    "a region without events": [activated(102, VILLAGES[4], 12)],
    "a move": [
        happened("SubjectDeparted", 4, VILLAGES[0], "2024-06-20T09:00:00", counterpart=VILLAGES[3]),
        happened("SubjectArrived", 4, VILLAGES[3], "2024-06-21T09:00:00", counterpart=VILLAGES[0]),
    ],
    "a deactivation": [happened("Deactivated", 5, VILLAGES[1], "2024-06-22T09:00:00")],
    "a change that moves to another day": [activated(6, VILLAGES[2], 1)],
    "an event that changes nothing": [happened("AttemptFailed", 7, VILLAGES[3], "2024-06-25T10:00:05")],
}


def test_all_that_events_change(clean: Database) -> None:
    """Two memories, as of two processes of the API; one looks seldom. What is written is taken in, all is not read."""
    load(clean, [activated(99, VILLAGES[1], 15)])
    watched = Watched(clean)
    memory, seldom = Memory(watched, ROOM), Memory(clean, ROOM)
    warm(memory)
    warm(seldom)
    read = watched.lines
    for number, events in enumerate(STEPS.values()):
        load(clean, events)
        same(memory, clean)
        if number % 3 == 0:
            same(seldom, clean)
    assert (watched.lines, watched.sums) == (read, 0)
    assert watched.fresh > 0
    same(seldom, clean)


def test_a_day_is_looked_up_once_and_then_followed_by_what_is_written(clean: Database) -> None:
    load(clean, [activated(0, VILLAGES[0], 10)])
    watched = Watched(clean)
    memory = Memory(watched, ROOM)
    warm(memory)
    for number in (1, 2, 3):
        load(clean, [activated(number, VILLAGES[0], 10)])
        same(memory, clean)
        assert watched.looked_up == 1
    load(clean, [activated(9, VILLAGES[0], 11)])
    same(memory, clean)
    assert watched.looked_up == 2


SLOW = (
    "INSERT INTO coverage_day SELECT * REPLACE (active_change - 1 AS active_change, version - 1 AS version)"
    " FROM coverage_day FINAL"
)


@pytest.mark.parametrize("met", [True, False])
def test_who_counted_fewer_and_wrote_later_loses(clean: Database, met: bool) -> None:
    """Two workers: one read before the other's events were there, and was slower; of a day met before, or not."""
    load(clean, [activated(number, VILLAGES[0], 10) for number in range(3)])
    memory = Memory(clean, ROOM)
    warm(memory)
    if met:
        load(clean, [activated(3, VILLAGES[0], 10)])
        same(memory, clean)
    clean.run(SLOW)
    same(memory, clean)
    load(clean, [activated(4, VILLAGES[0], 10)])
    same(memory, clean)


def test_of_a_day_with_many_new_regions_all_is_learned_at_once(
    clean: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From then on a region that has nothing there is known to have nothing, and what another has is known as well."""
    monkeypatch.setattr(lines, "MANY_NEW", LEVELS - 1)
    load(clean, [activated(number, VILLAGES[0], 10) for number in range(3)])
    watched = Watched(clean)
    memory = Memory(watched, ROOM)
    warm(memory)
    load(clean, [activated(3, VILLAGES[4], 10)])
    same(memory, clean)
    assert (watched.looked_up, watched.learned) == (1, 1)
    clean.run(SLOW + f" WHERE region = {VILLAGES[0].replace('.', '')}")
    same(memory, clean)
    for number, village in enumerate(VILLAGES):
        load(clean, [activated(4 + number, village, 10)])
        same(memory, clean)
    assert (watched.looked_up, watched.learned) == (1, 1)
    load(clean, [activated(9, VILLAGES[0], 11)])
    same(memory, clean)
    assert (watched.looked_up, watched.learned) == (2, 2)


def test_what_is_learned_of_a_day_is_what_was_taken_in(clean: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what is written meanwhile: another look that read before it would leave its rows out as older, and state a
    position that the numbers do not hold."""
    monkeypatch.setattr(lines, "MANY_NEW", 0)
    load(clean, [activated(0, VILLAGES[0], 10)])
    seen = blocks.read(clean, TABLE)[TABLE].newest
    load(clean, [activated(1, VILLAGES[0], 10), activated(2, VILLAGES[4], 10)])
    before = lines.fresh(clean, seen, 99, lines.Counted())
    watched, counted = Watched(clean), lines.Counted()
    written: list[str] = []

    def write(sql: str) -> None:
        if "region, day) IN (" in sql and not written:
            written.append(sql)
            load(clean, [activated(3, VILLAGES[0], 10)])

    watched.then = write
    assert lines.fresh(watched, seen, 99, counted) == before
    assert (len(written), watched.learned) == (1, 1)
    assert before is not None
    assert counted.newer(before) == before


@pytest.mark.parametrize(("many", "most"), [(0, 300_000), (3, 300_000), (100, 0), (2, 7)])
def test_many_days_are_followed_as_few_are(
    clean: Database, monkeypatch: pytest.MonkeyPatch, many: int, most: int
) -> None:
    monkeypatch.setattr(lines, "MANY_NEW", many)
    monkeypatch.setattr(lines, "MOST_COUNTED", most)
    memory = Memory(clean, ROOM)
    warm(memory)
    for events in STEPS.values():
        for half in (events[::2], events[1::2]):
            load(clean, half)
            same(memory, clean)


def test_nothing_is_read_where_nothing_was_written(clean: Database) -> None:
    load(clean, STEPS["new"])
    watched = Watched(clean)
    memory = Memory(watched, ROOM)
    warm(memory)
    fresh, read = watched.fresh, watched.lines
    for _ in range(5):
        same(memory, clean)
    assert (watched.fresh, watched.lines, watched.sums) == (fresh, read, 0)


def repair(database: Database) -> None:
    """As `cakupan repair` takes an event out that the log does not have."""
    (row,) = database.rows("SELECT event_id FROM activation_event ORDER BY event_id LIMIT 1")
    run = catalogue.new_run()
    event = row["event_id"] if isinstance(row["event_id"], bytes) else row["event_id"].encode("latin-1")
    integrity.remove(database, ACTIVATION, run, [event])
    activation.recompute(database, run)
    integrity.tidy(database, ACTIVATION)


def exchange(database: Database) -> None:
    """As `cakupan rebuild` puts a table in the place of another."""
    database.run("DROP TABLE IF EXISTS coverage_other")
    database.run("CREATE TABLE coverage_other AS coverage_day")
    database.run(
        "INSERT INTO coverage_other SELECT * REPLACE (active_change + 3 AS active_change) FROM coverage_day FINAL"
        " WHERE region != 11"
    )
    database.run("EXCHANGE TABLES coverage_other AND coverage_day")


OTHERWISE: dict[str, Callable[[Database], None]] = {
    "repair": repair,
    "exchange": exchange,
    "truncate": lambda database: database.run("TRUNCATE TABLE coverage_day"),
    "mend": lambda database: database.run(
        "ALTER TABLE coverage_day UPDATE active_change = active_change + 5 WHERE region IN (0, 6101)"
        " SETTINGS mutations_sync = 2"
    ),
    "delete": lambda database: database.run(
        "ALTER TABLE coverage_day DELETE WHERE region = 610101 SETTINGS mutations_sync = 2"
    ),
    "merge": lambda database: database.run("OPTIMIZE TABLE coverage_day FINAL"),
    "drop": lambda database: database.run("ALTER TABLE coverage_day DROP PARTITION tuple()"),
}


@pytest.fixture
def lonely(clean: Database) -> Iterator[Database]:
    yield clean
    clean.run("DROP TABLE IF EXISTS coverage_other")


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("name", OTHERWISE)
def test_all_that_happens_to_the_table(lonely: Database, name: str, written: bool) -> None:
    """Before the next look, or before more is written and then looked at."""
    load(lonely, STEPS["new"])
    load(lonely, STEPS["a move"])
    memory = Memory(lonely, ROOM)
    warm(memory)
    OTHERWISE[name](lonely)
    if written:
        load(lonely, STEPS["late, on a day between"])
    same(memory, lonely)
    load(lonely, STEPS["a region without events"])
    same(memory, lonely)


def test_what_is_mended_one_part_after_the_other(clean: Database) -> None:
    clean.run("SYSTEM STOP MERGES coverage_day")
    try:
        for events in STEPS.values():
            load(clean, events)
        memory = Memory(clean, ROOM)
        warm(memory)
        with ThreadPoolExecutor(1) as threads:
            mending = threads.submit(OTHERWISE["mend"], clean)
            clean.run("SYSTEM START MERGES coverage_day")
            while not mending.done():
                warm(memory)
            mending.result()
    finally:
        clean.run("SYSTEM START MERGES coverage_day")
    same(memory, clean)


@pytest.mark.parametrize("seed_", SEEDS)
def test_whatever_happens_in_whatever_order(lonely: Database, seed_: int) -> None:
    chance = random.Random(seed_)
    room = chance.choice((ROOM, 6_000))
    memories = [Memory(lonely, room) for _ in range(3)]
    person = 0
    for _ in range(25):
        match chance.choice(("write", "write", "write", "look", "look", "ask", "ask", "move", "other")):
            case "write":
                count = chance.randint(1, 4)
                people = range(person, person + count)
                load(lonely, [activated(n, chance.choice(VILLAGES), chance.randint(1, 28)) for n in people])
                person += count
            case "move":
                here, there = chance.sample(VILLAGES, 2)
                day = f"2024-06-{chance.randint(1, 28):02}T10:00:00"
                load(lonely, [happened("SubjectArrived", chance.randint(1, 9), there, day, counterpart=here)])
            case "look":
                chance.choice(memories).follow()
            case "ask":
                chance.choice(memories).active(chance.sample(CODES, chance.randint(1, 8)), chance.choice(DAYS))
            case _:
                # A repair needs an event to take out.
                names = [name for name in OTHERWISE if name != "repair"]
                OTHERWISE[chance.choice(names)](lonely)
        one = chance.choice(memories)
        same(one, lonely, chance.sample(DAYS, 3))
    for memory in memories:
        same(memory, lonely)
        assert memory.sizes()["bytes"] <= room


def test_what_was_read_while_it_was_written_to_is_not_kept(clean: Database) -> None:
    """The table is read, then written to, then looked at, and only then is what was read put into memory."""
    load(clean, STEPS["new"])
    watched = Watched(clean)
    memory = Memory(watched, ROOM)
    memory.follow()

    def write(sql: str) -> None:
        if "_part" not in sql:
            watched.then = lambda _: None
            load(clean, STEPS["late, on a day between"])
            memory.follow()

    watched.then = write
    before = memory.active([6101, 6172], DAYS[-1])
    assert memory.held([6101], FIRST) is None  # it would be too old
    assert before[6101] + 1 == memory.active([6101], DAYS[-1])[6101]
    same(memory, clean)


def test_what_was_read_before_all_was_dropped_is_not_kept(clean: Database) -> None:
    load(clean, STEPS["new"])
    watched = Watched(clean)
    memory = Memory(watched, ROOM)
    memory.follow()

    def mend(_: str) -> None:
        watched.then = lambda _: None
        OTHERWISE["mend"](clean)
        memory.follow()

    watched.then = mend
    memory.active([6101], FIRST)
    assert memory.held([6101], FIRST) is None
    same(memory, clean)


@pytest.mark.parametrize(
    "meanwhile", [OTHERWISE["mend"], lambda database: load(database, STEPS["a deactivation"])], ids=["mend", "write"]
)
def test_two_looks_at_once(clean: Database, meanwhile: Callable[[Database], None]) -> None:
    """Another look drops all, or takes in more, while this one reads what is new."""
    load(clean, STEPS["new"])
    watched = Watched(clean)
    memory = Memory(watched, ROOM)
    warm(memory)
    load(clean, STEPS["late, on a day between"])

    def other(sql: str) -> None:
        if "_part" in sql:
            watched.then = lambda _: None
            meanwhile(clean)
            memory.follow()

    watched.then = other
    same(memory, clean)


def test_a_look_that_fails_is_made_up_for(clean: Database) -> None:
    load(clean, STEPS["new"])
    watched = Watched(clean)
    memory = Memory(watched, ROOM)
    warm(memory)
    load(clean, STEPS["late, on a day between"])
    watched.away = True
    with pytest.raises(Unavailable):
        memory.follow()
    watched.away = False
    same(memory, clean)


def test_more_than_is_worth_taking_in_is_read_anew(clean: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.memory.MOST_FRESH", 3)
    watched = Watched(clean)
    memory = Memory(watched, ROOM)
    warm(memory)
    load(clean, STEPS["new"])
    memory.follow()
    assert memory.held(CODES, FIRST) is None
    same(memory, clean)


def test_of_a_part_that_was_merged_what_is_new_is_taken_in(clean: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    load(clean, STEPS["new"])
    watched = Watched(clean)
    memory = Memory(watched, ROOM)
    warm(memory)
    load(clean, [activated(200, VILLAGES[0], 15)])
    clean.run("OPTIMIZE TABLE coverage_day FINAL")
    (row,) = clean.rows("SELECT count() AS parts FROM system.parts WHERE active AND table = 'coverage_day'" + HERE)
    assert row["parts"] == 1
    monkeypatch.setattr("api.memory.MOST_FRESH", LEVELS)
    memory.follow()
    assert memory.held(CODES, FIRST) is not None
    same(memory, clean)


# What is held.


def test_filled_it_asks_no_more(clean: Database) -> None:
    load(clean, [event for events in STEPS.values() for event in events])
    watched = Watched(clean)
    memory = Memory(watched, ROOM)
    memory.follow()
    assert memory.fill(threading.Event())
    read = watched.lines
    same(memory, clean)
    everywhere = list(regions.by_number())
    assert memory.held(everywhere, DAYS[-1]) == answers.active_people(clean, everywhere, DAYS[-1])
    assert (watched.lines, watched.sums) == (read, 0)
    assert memory.fill(threading.Event())
    assert watched.lines == read


def test_filling_ends_where_all_is_dropped_and_begins_again(clean: Database) -> None:
    load(clean, STEPS["new"])
    watched = Watched(clean)
    memory = Memory(watched, ROOM)
    memory.follow()

    def mend(sql: str) -> None:
        if "%(regions)s" in sql:
            watched.then = lambda _: None
            OTHERWISE["mend"](clean)
            memory.follow()

    watched.then = mend
    assert not memory.fill(threading.Event())
    assert memory.fill(threading.Event())
    same(memory, clean)


def test_there_is_room_for_so_much_and_what_is_asked_for_stays(clean: Database) -> None:
    load(clean, [event for events in STEPS.values() for event in events])
    watched = Watched(clean)
    memory = Memory(watched, 4_000)  # for about eight of the regions
    memory.follow()
    for code in CODES * 3:
        memory.active([code], DAYS[-1])
        memory.active([0], DAYS[-1])
        assert memory.sizes()["bytes"] <= 4_000
        assert memory.held([0], DAYS[-1]) is not None
    assert 0 < memory.sizes()["regions"] < len(CODES)
    same(memory, clean)


def test_without_room_all_is_asked_of_the_table(clean: Database) -> None:
    load(clean, STEPS["new"])
    watched = Watched(clean)
    memory = Memory(watched, 0)
    same(memory, clean)
    assert memory.sizes() == {"regions": 0, "bytes": 0}
    assert watched.lines == 0


def test_a_line_is_the_sum_of_its_changes() -> None:
    """In narrow types, and in wider ones where they are needed."""
    chance = random.Random(5)
    for most in (10, 40_000, 3_000_000_000):
        line, changes = lines.nobody(), dict[int, int]()
        assert line.at(5) is None
        for _ in range(300):
            day, change = chance.randint(0, 80), chance.randint(-most, most)
            before, grown = line.bytes, line.put(day, change)
            changes[day] = change
            assert line.bytes == before + grown
            asked = chance.randint(-1, 82)
            assert line.at(asked) == sum(each for day, each in changes.items() if day <= asked)


def test_a_line_tells_who_left_and_moved() -> None:
    """In narrow types and in wider ones; a day without any takes no room."""
    chance = random.Random(6)
    for most in (3, 200, 70_000, 3_000_000_000):
        line, days = lines.nobody(), dict[int, tuple[int, int, int, int]]()
        assert line.history().extent is line.extent is None
        for _ in range(300):
            day, activated = chance.randint(0, 80), chance.randint(0, most)
            moves = (0, 0, 0) if chance.random() < 0.5 else (chance.randint(0, most), chance.randint(0, most), 1)
            change = activated - moves[0] + moves[1] - moves[2]
            before, grown = line.bytes, line.put(day, change, moves)
            assert line.bytes == before + grown
            days[day] = activated, *moves
            history = line.history()
            assert history.days.tolist() == sorted(days)
            assert history.changes[:, 1:].tolist() == [list(days[each]) for each in sorted(days)]
            assert history.extent == line.extent == (_date(min(days)), _date(max(days)))


def test_changes_are_added_up_from_start_to_start() -> None:
    line = lines.nobody()
    for day, change in ((10, 1), (11, 2), (14, 4), (20, 8), (30, 16)):
        line.put(day, change)
    found = line.history().together([_date(11), _date(14), _date(18), _date(19)], _date(29))
    assert [(each.start, each.active_change) for each in found] == [(_date(11), 3), (_date(14), 4), (_date(19), 8)]
    assert line.history().together([_date(5)], _date(9)) == []
    assert lines.nobody().history().together([_date(5)], _date(9)) == []


def _date(number: int) -> dt.date:
    return EPOCH + dt.timedelta(days=number)


def test_days_that_a_table_can_have(clean: Database) -> None:
    memory = Memory(clean, ROOM)
    warm(memory)
    clean.run("INSERT INTO coverage_day SELECT 6101, toDate(number), 2, 2, 0, 0, 0, 1 FROM numbers(0, 65536, 65535)")
    same(memory, clean, [EPOCH - dt.timedelta(days=1), EPOCH, dt.date(2149, 6, 5), dt.date(2149, 6, 6), dt.date.max])
    assert isinstance(next(lines.lines(clean, [6101]))[1], Line)


# The answers.

INTERVALS = ("day", "week", "month")
QUESTIONS = [
    *(f"/v1/coverage/{regions.format_code(code)}?as_of=2024-06-{day}" for code in CODES for day in (29, 30)),
    *(f"/v1/coverage/{code}/children?as_of=2024-06-30&limit=50" for code in ("0", "61", "61.01", "61.01.01")),
    "/v1/coverage/61.01?as_of=2999-01-01",
    "/v1/coverage/61.01",
    "/v1/coverage/61.01?as_of=2024-06-30&known_at=2024-06-29",
    *(f"/v1/coverage/{regions.format_code(code)}/series?interval={each}" for code in CODES for each in INTERVALS),
    *(f"/v1/coverage/61.01/series?interval={each}&from=2024-06-28&to=2024-07-02" for each in INTERVALS),
    *(f"/v1/coverage/0/series?interval={each}&from=2020-01-01&to=2020-03-01" for each in INTERVALS),
    "/v1/coverage/61.01/series?interval=month&from=2999-01-01",
    "/v1/coverage/61.01/series?interval=day&known_at=2024-06-29",
]


def test_answers_are_the_same_with_memory_and_without(clean: Database) -> None:
    seed(clean)
    without = TestClient(create_app(clean, replace(OPTIONS, held_bytes=0)))
    shared = replace(OPTIONS, share_seconds=3600)
    with TestClient(create_app(clean, replace(shared, fill=True))) as filled:
        held = TestClient(create_app(clean, shared))
        for question in QUESTIONS * 2:
            wanted = without.get(question).json()
            assert held.get(question).json() == wanted, question
            assert filled.get(question).json() == wanted, question


def test_what_is_held_is_answered_without_a_query(clean: Database) -> None:
    seed(clean)
    watched = Watched(clean)
    client = TestClient(create_app(watched, replace(OPTIONS, share_seconds=3600)))
    asked = ("/v1/coverage/61.01?as_of=2024-06-30", "/v1/coverage/61.01/series?from=2024-06-20&to=2024-06-30")
    given = [client.get(each).json() for each in asked]
    assert sum(each["activated"] for each in given[1]["points"])
    watched.away = True
    clean.run("TRUNCATE TABLE coverage_day")
    assert [client.get(each).json() for each in asked] == given
    assert watched.sums == 0


def test_no_answer_is_older_than_the_position_it_states(clean: Database) -> None:
    """One person after the other, each before the position is noted, while others ask two processes."""
    options = replace(OPTIONS, share_seconds=0.02)
    done = threading.Event()
    people = 12

    def write() -> None:
        try:
            for number in range(1, people + 1):
                load(clean, [activated(number, VILLAGES[number % 4], 1 + number % 28)])
                stand(clean, ACTIVATION, number, number)
                if number == people // 2:
                    clean.run("OPTIMIZE TABLE coverage_day FINAL")
        finally:
            done.set()

    def ask(client: TestClient) -> int:
        asked = 0
        while not done.is_set() or asked < 2:
            answer = client.get("/v1/coverage/0?as_of=2024-12-31").json()
            held = answer["numerator"]["value"] if answer["numerator"] else 0
            assert held >= answer["data"]["position"].get(ACTIVATION, {}).get("0", 0)
            asked += 1
        return held

    with (
        TestClient(create_app(clean, replace(options, fill=True))) as one,
        TestClient(create_app(clean, options)) as two,
        ThreadPoolExecutor(3) as threads,
    ):
        asking = [threads.submit(ask, client) for client in (one, two)]
        threads.submit(write).result(60)
        for each in asking:
            each.result(60)
        for client in (one, two):
            client.app.state.context.log_state.read()  # type: ignore[attr-defined]
            assert client.get("/v1/coverage/0?as_of=2024-12-31").json()["numerator"]["value"] >= people - 1


def test_what_was_found_a_moment_ago_is_given_while_the_next_look_is_made() -> None:
    clock, go, looked = [0.0], threading.Event(), threading.Semaphore(0)
    looks = iter(range(9))

    def look() -> int:
        number = next(looks)
        assert number == 0 or go.wait(20)
        looked.release()
        return number

    shared = Shared(look, 0.1, lambda: clock[0])
    assert shared.recent() is None
    assert shared.get() == shared.recent() == 0
    clock[0] = 0.15
    assert shared.recent() == shared.recent() == 0  # one look is under way
    clock[0] = 0.49
    assert shared.recent() == 0
    clock[0] = 0.5
    assert shared.recent() is None  # too long ago
    clock[0] = 0.24
    go.set()
    assert looked.acquire(timeout=20) and looked.acquire(timeout=20)
    while shared.recent() != 1:
        pass
    assert next(looks) == 2


def test_the_place_is_read_again_when_its_tables_have_changed(clean: Database) -> None:
    asked: list[str] = []

    class Counting(Database):
        def rows(self, sql: str, params: Any = None) -> list[dict[str, Any]]:
            asked.extend(["place"] if "kind" in sql else [])
            return super().rows(sql, params)

    state = LogState(Counting("127.0.0.1", int(clean.address.rpartition(":")[2])), lambda: dt.datetime.now(dt.UTC), 0.0)
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    for number, change in enumerate((None, "position", None, "position", "verified", None, "denominator", None)):
        before = len(asked)
        if change == "position":
            position.write(clean, [position.Row("t", 0, number, number, at, at)])
        if change == "verified":
            position.write_verified(clean, {("t", 0): 2}, at)
        if change == "denominator":
            clean.run("INSERT INTO denominator (region) VALUES (61)")
        place = state.read().place
        assert len(asked) - before == (change is not None or number == 0), (number, change)
        assert place == answers.log_place(clean)


def test_looks_go_on_while_questions_come_and_a_while_longer(clean: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    followed, stop = threading.Semaphore(0), threading.Event()
    state = LogState(clean, lambda: dt.datetime.now(dt.UTC), 0.05, {TABLE: lambda _: followed.release()})
    tending = threading.Thread(target=state.tend, args=(stop,))
    tending.start()
    try:
        assert not followed.acquire(timeout=0.5)  # nobody has asked
        state.read()
        assert all(followed.acquire(timeout=20) for _ in range(5))
        monkeypatch.setattr(log_state, "WARM_SECONDS", 0.0)
        while followed.acquire(timeout=1):  # the last ones
            pass
        state.read()  # asked again, one look and no more
        assert followed.acquire(timeout=20) and not followed.acquire(timeout=0.5)
    finally:
        stop.set()
        tending.join()
