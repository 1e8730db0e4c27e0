"""Answers that changed, on their topics: one event a region, the last one right, none of them twice.

All tests share a log, and each has a database of its own, so the topics go on from what the test before left there.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cakupan import recount, wiring
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from cakupan.settings import Settings
from events import codec, identity, jsonform, provinces, regions, topics
from events.catalogue import ACTIVATION, COVERAGE, EVENTS, examples
from events.codec import Event
from events.publisher import Publisher
from projections import activation, blocks, catalogue, coverage, position
from projections.clickhouse import Database
from streams.coverage_topic import Answers, run
from streams.log_reader import LogReader
from tests.support import own_database, own_log, running, until

VILLAGE = 6101012001
VILLAGES = {each // 10**8: each for each in sorted(regions.village_numbers(), reverse=True)}  # one of each province
UP = [6101012001, 610101, 6101, 61, 0]
EPOCH = dt.date(1970, 1, 1)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    """A log of the module's own."""
    with own_log(tmp_path_factory.mktemp("log")) as node:
        yield node


@pytest.fixture
def settings(log: KafkaNode, clickhouse: ClickHouseNode, tmp_path: Path) -> Iterator[Settings]:
    with own_database(log, clickhouse, tmp_path) as own:
        yield own


@pytest.fixture
def database(settings: Settings) -> Database:
    return wiring.database(settings)


@pytest.fixture
def answers(settings: Settings, database: Database) -> Iterator[Answers]:
    with publisher(settings, database) as made:
        yield made


@contextlib.contextmanager
def publisher(settings: Settings, database: Database, **more: Any) -> Iterator[Answers]:
    """A publisher that has published what the test begins with."""
    made = Answers(settings.kafka_bootstrap, database, **more)
    try:
        made.tick()
        yield made
    finally:
        made.close()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def event(name: str, example: int = 0, **values: Any) -> Event:
    at = now_ms()
    like = jsonform.from_json(examples(EVENTS[name], EVENTS[name].newest)[example], at).values
    own = {"event_id": identity.new_event_id(at), "occurred_at": at, "recorded_at": at}
    return Event(EVENTS[name], {**like, **own, **values})


def activated(person: int, village: int = VILLAGE, **values: Any) -> Event:
    return event("Activated", subject_id=person.to_bytes(16, "big"), domicile=village, **values)


def take_in(database: Database, *events: Event) -> None:
    """As the worker does."""
    for topic in {each.type.topic for each in events}:
        run = catalogue.new_run()
        records = [codec.encode(e.type.name, e.values) for e in events if e.type.topic == topic]
        decoded = codec.decode_batch(topic, records, [now_ms()] * len(records))
        assert decoded.refused == []
        catalogue.insert(database, topic, decoded.frames, run)
        if topic in catalogue.RECOMPUTED:
            activation.recompute(database, run)


def messages(settings: Settings, topic: str = COVERAGE) -> list[Any]:
    with LogReader(settings.kafka_bootstrap, "test", 0.05) as reader:
        (end,) = reader.heads(topic).values()
        return reader.read({(topic, 0): (0, end)}).get((topic, 0), [])


def last(settings: Settings, topic: str = COVERAGE) -> dict[int, dict[str, Any]]:
    """By region, what stands there last; the key must be the region's."""
    found = {}
    for message in messages(settings, topic):
        values = codec.decode(message.value(), COVERAGE).values
        assert message.key() == str(values["region"]).encode()
        found[values["region"]] = values
    return found


def numerators(settings: Settings, *codes: int) -> list[int]:
    found = last(settings)
    return [found[each]["numerator"] for each in codes]


def test_a_change_is_told_once_for_every_region_above_it(
    settings: Settings, database: Database, answers: Answers
) -> None:
    three = [activated(person) for person in range(3)]
    take_in(database, *three)
    assert answers.tick() == 5
    assert numerators(settings, *UP) == [3] * 5
    assert answers.tick() == 0
    take_in(database, *three)  # delivered again
    take_in(database, event("FaceVerified", subject_id=bytes(16), domicile=VILLAGE))  # changes no answer
    assert answers.tick() == 0
    take_in(database, event("Deactivated", subject_id=(0).to_bytes(16, "big"), domicile=VILLAGE))
    take_in(database, activated(7, VILLAGE + 1))
    assert answers.tick() == 2  # one less here and one more there: the district and all above it stay the same
    assert numerators(settings, VILLAGE, VILLAGE + 1, 610101, 0) == [2, 1, 3, 3]


def test_what_changed_while_nobody_looked_is_told_at_the_start_and_nothing_else(
    settings: Settings, database: Database
) -> None:
    take_in(database, *(activated(person, VILLAGES[11]) for person in range(5)))
    with publisher(settings, database):
        assert numerators(settings, VILLAGES[11]) == [5]
    before = len(messages(settings))
    with publisher(settings, database) as again:
        assert again.tick() == 0
    assert len(messages(settings)) == before
    take_in(database, activated(9, VILLAGES[11]))
    with publisher(settings, database) as later:
        assert later.tick() == 0
    assert len(messages(settings)) == before + 5
    assert numerators(settings, VILLAGES[11], 11) == [6, 6]


def test_counts_and_targets_change_the_answers_that_rest_on_them(
    settings: Settings, database: Database, answers: Answers
) -> None:
    village, district, regency, province, _ = regions.ancestors_of(VILLAGES[64])
    take_in(database, activated(1, village))
    answers.tick()
    take_in(database, event("DenominatorReleased", 0, region=regency, value=452_092))
    assert answers.tick() == 1
    day = (dt.date(2024, 6, 30) - EPOCH).days
    assert (last(settings)[regency]["recorded"], last(settings)[regency]["recorded_on"]) == (452_092, day)
    take_in(
        database, event("DenominatorReleased", 1, region=regency)
    )  # an estimate is nobody's answer unless asked for
    assert answers.tick() == 0
    take_in(database, event("TargetSet", region=province, ratio=0.3, basis="recorded", valid_to=None))
    assert answers.tick() == 4  # of the province and all below it that have an answer, and not the nation's
    for code in (village, district, regency, province):
        said = last(settings)[code]
        share = said["target_basis"], said["target_numerator"], said["target_denominator"], said["target_region"]
        assert share == ("recorded", 3, 10, province)
    assert last(settings)[0]["target_basis"] == "unknown"
    take_in(database, event("TargetSet", region=regency, ratio=0.255, basis="holders", valid_to=None))
    assert answers.tick() == 3
    assert [last(settings)[regency][f"target_{each}"] for each in ("numerator", "denominator")] == [51, 200]


def test_a_province_has_its_own_from_when_it_has_a_topic(settings: Settings, database: Database) -> None:
    own = provinces.name_of(COVERAGE, 62)
    there, elsewhere = VILLAGES[62], VILLAGES[63]
    take_in(database, activated(1, there), activated(2, elsewhere))
    with publisher(settings, database):
        pass
    topics.apply(settings.kafka_bootstrap, declared=provinces.topics_of(62))
    with publisher(settings, database) as answers:
        assert last(settings, own).keys() == set(regions.ancestors_of(there)) - {0}
        take_in(database, activated(3, there))
        assert answers.tick() == 5 + 4
    public = [each.value() for each in messages(settings)]
    assert all(each.value() in public for each in messages(settings, own)[4:])
    assert [last(settings, own)[each] for each in (62, there)] == [last(settings)[each] for each in (62, there)]


def test_a_region_that_only_sources_speak_for_has_nobody_and_says_so(settings: Settings, database: Database) -> None:
    regency = regions.children()[91][0].number
    take_in(database, event("SourceReported", regions=[regency]))
    with publisher(settings, database) as answers:
        assert answers.tick() == 0
    below = [each for each in regions.by_number() if regency in regions.ancestors_of(each)]
    assert numerators(settings, *below, 91) == [0] * (len(below) + 1)


def test_a_rebuild_has_every_region_looked_at(settings: Settings, database: Database, answers: Answers) -> None:
    take_in(database, activated(1, VILLAGES[32]))
    answers.tick()
    database.run(
        "ALTER TABLE coverage_day UPDATE active_change = active_change + 41 WHERE region = %(village)s"
        " SETTINGS mutations_sync = 1",
        {"village": VILLAGES[32]},
    )
    assert answers.tick() == 0  # nobody wrote a row
    database.run("ALTER TABLE coverage_day MODIFY COMMENT 'rebuilt 1'")
    assert answers.tick() == 1
    assert numerators(settings, VILLAGES[32]) == [42]


@pytest.mark.parametrize(("module", "name"), [(coverage, "mark"), (blocks, "read")])
def test_a_rebuild_in_the_middle_of_a_look_hides_nothing_that_comes_after_it(
    settings: Settings, database: Database, answers: Answers, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    for person in range(3):
        take_in(database, activated(person, VILLAGES[33]))
    answers.tick()
    database.run("CREATE TABLE coverage_other AS coverage_day")
    database.run("INSERT INTO coverage_other SELECT * FROM coverage_day FINAL")
    database.run("ALTER TABLE coverage_other MODIFY COMMENT 'rebuilt 2'")
    ask = getattr(module, name)

    def exchange(*arguments: Any) -> Any:
        database.run("EXCHANGE TABLES coverage_other AND coverage_day")
        monkeypatch.undo()
        return ask(*arguments)

    monkeypatch.setattr(module, name, exchange)
    answers.tick()
    take_in(database, activated(9, VILLAGES[33]))
    answers.tick()
    assert numerators(settings, VILLAGES[33]) == [4]
    database.run("DROP TABLE coverage_other")


@pytest.mark.parametrize("most", [(coverage.MOST_FOUND, coverage.MOST_WRITTEN), (1, 500_000), (5_000, 3)])
def test_counts_kept_up_are_those_added_up_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch, most: tuple[int, int]
) -> None:
    """Whatever changes on whichever day, and whether few or many regions do."""
    monkeypatch.setattr(coverage, "MOST_FOUND", most[0])
    monkeypatch.setattr(coverage, "MOST_WRITTEN", most[1])
    chance, today = random.Random(1), dt.datetime.now(dt.timezone(dt.timedelta(hours=7))).date()
    kept, seen = coverage.Counts(database), 0
    held: dict[int, int] = {}
    for turn in range(12):
        log = []
        for _ in range(6):
            name = chance.choice(("Activated", "Activated", "Deactivated", "SubjectArrived"))
            at = now_ms() + round(chance.choice((0, -1, -2, -40, 0.9)) * 86_400_000)  # up to almost a day ahead
            village, person = chance.choice(list(VILLAGES.values())), chance.randrange(9).to_bytes(16, "big")
            log.append(event(name, occurred_at=at, domicile=village, subject_id=person))
        take_in(database, *log)
        if turn == 8:  # what is held is not what is there
            mend = "ALTER TABLE coverage_day UPDATE active_change = 5 WHERE region = 0 SETTINGS mutations_sync = 1"
            database.run(mend)
        table = blocks.read(database, coverage.TABLE)[coverage.TABLE]
        held |= kept.written(seen, table) if turn else kept.everywhere(today, table)
        seen = table.newest
        anew = coverage.Counts(database).everywhere(today, table)
        assert {region: held[region] for region in anew} == anew, turn
        assert held.keys() == anew.keys()


def test_a_new_day_has_what_was_ahead_of_it(settings: Settings, database: Database) -> None:
    days = [dt.datetime.now(dt.timezone(dt.timedelta(hours=7))).date()]
    with publisher(settings, database, today=lambda: days[-1]) as answers:
        ahead = now_ms() + 86_000_000  # a clock that is almost a day fast
        take_in(database, activated(1, VILLAGES[51]), activated(2, VILLAGES[51], occurred_at=ahead))
        answers.tick()
        first = last(settings)[VILLAGES[51]]
        days.append(days[0] + dt.timedelta(days=2))
        answers.tick()
    second = last(settings)[VILLAGES[51]]
    assert (first["numerator"], second["numerator"]) == (1, 2)
    assert (first["as_of"], second["as_of"]) == tuple((day - EPOCH).days for day in days)


def test_what_it_is_stands_in_headers(settings: Settings, database: Database, answers: Answers) -> None:
    take_in(database, activated(1, VILLAGES[71]))
    assert answers.tick() >= 4
    message = next(each for each in reversed(messages(settings)) if each.key() == str(VILLAGES[71]).encode())
    values = codec.decode(message.value(), COVERAGE).values
    assert {name: value.decode() for name, value in message.headers()} == {
        "ce_specversion": "1.0",
        "ce_id": identity.as_text(values["event_id"]),
        "ce_type": "CoverageChanged",
        "ce_source": "cakupan",
        "ce_time": jsonform.iso_ms(values["occurred_at"]),
        "ce_subject": regions.format_code(VILLAGES[71]),
        "content-type": "application/avro",
    }


def test_a_partition_that_the_worker_has_not_spoken_of_yet_stands_at_its_begin(
    settings: Settings, database: Database, answers: Answers
) -> None:
    """The list goes by partition: left out, it would give the others' numbers to the wrong ones."""
    now = dt.datetime.now(dt.UTC)
    position.write(database, [position.Row(ACTIVATION, 2, 7, 7, now, now)])
    take_in(database, activated(1, VILLAGES[76]))
    assert answers.tick()
    assert last(settings)[VILLAGES[76]]["position"] == [0, 0, 7, 0]


def test_having_waited_long_for_the_tables_it_does_not_wait_longer_for_the_next_look(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine everybody goes before it: it took no time of theirs that it would have to leave them."""
    looks, ended, ask = [0], threading.Event(), coverage.mark

    def slow(database: Database) -> str:
        time.sleep(2)
        looks[0] += 1
        return ask(database)

    monkeypatch.setattr(coverage, "mark", slow)
    thread = threading.Thread(target=run, args=(settings.kafka_bootstrap, wiring.database(settings), ended))
    thread.start()
    try:
        until("it has looked twice", lambda: looks[0] >= 2)
        take_in(database, activated(1, VILLAGES[75]))
        until("it is told", lambda: VILLAGES[75] in last(settings), timeout=30)
    finally:
        ended.set()
        thread.join()


def test_with_worker_and_fan_out_the_topic_comes_to_say_what_the_log_says(settings: Settings, tmp_path: Path) -> None:
    with (
        running(settings, "worker", log=tmp_path / "worker.log"),
        running(settings, "fanout", log=tmp_path / "fanout.log") as fanout,
        Publisher(settings.kafka_bootstrap) as sender,
    ):
        for person in range(300):
            sender.publish(activated(person % 200, (VILLAGE, VILLAGES[74])[person % 2]))
        sender.flush()
        counted = recount.count_coverage(recount.read_log(settings.kafka_bootstrap))
        want: dict[int, int] = {}
        for (region, _), change in counted.items():
            want[region] = want.get(region, 0) + change.active_change
        until(
            "the topic says what the log says",
            lambda: {each: values["numerator"] for each, values in last(settings).items() if each in want} == want,
            process=fanout,
        )
        stated = last(settings)[0]["position"]
        assert fanout.stop() == 0
    with LogReader(settings.kafka_bootstrap, "test", 0.05) as reader:
        ends = [end for _, end in sorted(reader.heads(ACTIVATION).items())]
    assert len(stated) == len(ends)
    assert all(0 <= at <= end for at, end in zip(stated, ends, strict=True))
