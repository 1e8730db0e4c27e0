"""The fan-out on a real Kafka: what a province gets is what the log holds for it, byte for byte, whatever is killed.

What must be there is worked out from the log by the record-wise reader, which the fan-out does not use.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from cakupan.settings import Settings
from events import codec, identity, jsonform, provinces, regions, rules, topics
from events.catalogue import ACTIVATION, EVENTS, OUTREACH, TOPICS, examples
from events.codec import Event
from events.errors import ContractError, UnknownRegion
from events.publisher import Publisher, key_of
from streams.fanout import Fanout
from streams.log_reader import LogReader
from streams.routing import SOURCES, Record, route
from tests.conftest import free_port
from tests.support import Process, own_database, own_log, running, until

VILLAGES = {province: min(v for v in regions.village_numbers() if v // 10**8 == province) for province in (61, 62, 32)}
Places = dict[int, list[Any]]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    """A log of the module's own."""
    with own_log(tmp_path_factory.mktemp("log")) as node:
        yield node


@pytest.fixture
def settings(log: KafkaNode, clickhouse: ClickHouseNode, tmp_path: Path) -> Iterator[Settings]:
    """A database and groups of this test's own; the provinces' topics are gone after it."""
    with own_database(log, clickhouse, tmp_path) as given:
        yield given
    admin = AdminClient({"bootstrap.servers": log.bootstrap, "log_level": 0})
    own = [name for name in admin.list_topics(timeout=20).topics if name.startswith("ikd.p")]
    for done in admin.delete_topics(own).values() if own else ():
        done.result(20)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def event(name: str, at: int | None = None, **values: Any) -> Event:
    """An event like the type's example, now and under an id of its own."""
    at = at if at is not None else now_ms()
    like = jsonform.from_json(examples(EVENTS[name], EVENTS[name].newest)[0], now_ms()).values
    own = {"event_id": identity.new_event_id(at), "occurred_at": at, "recorded_at": at}
    return Event(EVENTS[name], {**like, **own, **values})


def activated(person: int, province: int) -> Event:
    return event("Activated", subject_id=person.to_bytes(16, "big"), domicile=VILLAGES[province])


def send(bootstrap: str, *events: Event) -> None:
    with Publisher(bootstrap) as publisher:
        for each in events:
            publisher.publish(each)


def subscribe(bootstrap: str, *numbers: int) -> None:
    for each in numbers:
        topics.apply(bootstrap, declared=provinces.topics_of(each))


def held(bootstrap: str, topic: str) -> Places:
    """All records of a topic, by partition."""
    with LogReader(bootstrap, "test", 0.05) as reader:
        heads = reader.heads(topic)
        found = reader.read({(topic, each): (0, end) for each, end in heads.items()})
        return {each: found.get((topic, each), []) for each in heads}


def meant_for(message: Any, province: int) -> bool:
    """Whether a record of the log is for a province, by fastavro's reader."""
    try:
        found = codec.decode(message.value(), message.topic())
        rules.check(found.values, message.timestamp()[1])
    except ContractError:
        return False
    if found.type.name == "SubjectErased":
        return True
    named = [found.values.get(each) for each in ("domicile", "counterpart")]
    if message.topic() == OUTREACH:
        named = [found.values["service_region"]]
    return any(each == 0 or str(each).startswith(str(province)) for each in named if each is not None)


def wanted(bootstrap: str, province: int, topic: str = ACTIVATION) -> dict[int, list[tuple[bytes, bytes]]]:
    """Key and value of what a province must get, by partition, in order."""
    log = held(bootstrap, topic)
    return {
        partition: [(each.key(), each.value()) for each in messages if meant_for(each, province)]
        for partition, messages in log.items()
    }


def got(bootstrap: str, province: int, topic: str = ACTIVATION) -> dict[int, list[tuple[bytes, bytes]]]:
    found = held(bootstrap, provinces.name_of(topic, province))
    return {partition: [(each.key(), each.value()) for each in messages] for partition, messages in found.items()}


def has_all(settings: Settings, province: int, process: Process, topic: str = ACTIVATION) -> None:
    """Wait until a province has exactly what the log holds for it now."""
    want = wanted(settings.kafka_bootstrap, province, topic)
    until(
        f"{province} has all of {topic}",
        lambda: got(settings.kafka_bootstrap, province, topic) == want,
        process=process,
    )


def first_deliveries(records: dict[int, list[tuple[bytes, bytes]]]) -> dict[int, list[tuple[bytes, bytes]]]:
    return {partition: list(dict.fromkeys(pairs)) for partition, pairs in records.items()}


def said_by(message: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers()}


def test_a_province_gets_what_is_its_own_byte_for_byte_and_in_order(settings: Settings, tmp_path: Path) -> None:
    bootstrap = settings.kafka_bootstrap
    subscribe(bootstrap, 61, 62)
    move = event("SubjectDeparted", domicile=VILLAGES[61], counterpart=VILLAGES[62])
    arrival = event("SubjectArrived", domicile=VILLAGES[32], counterpart=VILLAGES[61])
    gone = event("SubjectErased", domicile=VILLAGES[32])
    outreach = [event("OutreachPlanned", service_region=each) for each in (0, 61, 6101, VILLAGES[32], VILLAGES[62])]
    send(bootstrap, *(activated(person % 7, (61, 32, 62)[person % 3]) for person in range(60)), move, arrival, gone)
    send(bootstrap, *outreach)
    with Publisher(bootstrap) as publisher:
        good = codec.encode("Activated", activated(1, 61).values)
        for raw in (b"no event", good[:-1], good + b"\0", None):
            publisher.send(ACTIVATION, b"k", raw)
        broken = {**activated(1, 61).values, "occurred_at": now_ms() + 10 * 86_400_000}
        publisher.send(ACTIVATION, b"k", codec.encode("Activated", broken))
        publisher.send(OUTREACH, b"k", good)
    settings = settings.model_copy(update={"fanout_metrics_port": free_port()})
    with running(settings, "fanout", log=tmp_path / "fanout.log") as process:
        for province in (61, 62):
            for topic in SOURCES:
                has_all(settings, province, process, topic)
        shown = f"http://127.0.0.1:{settings.fanout_metrics_port}/metrics"
        until("it shows no lag", lambda: f'lag_events{{partition="0",topic="{OUTREACH}"}} 0.0' in httpx.get(shown).text)
        assert 'cakupan_fanout_events_total{topic="ikd.p61.activation.v1"} 23.0' in httpx.get(shown).text
        assert "cakupan_fanout_provinces 2.0" in httpx.get(shown).text
        assert process.stop() == 0
    assert sum(map(len, wanted(bootstrap, 61).values())) == 20 + 3
    assert sum(map(len, wanted(bootstrap, 61, OUTREACH).values())) == 3
    assert sum(map(len, wanted(bootstrap, 62).values())) == 20 + 2


def test_what_an_event_is_stands_in_headers_as_cloudevents_has_it(settings: Settings) -> None:
    bootstrap = settings.kafka_bootstrap
    subscribe(bootstrap, 61)
    move = event("SubjectArrived", domicile=VILLAGES[62], counterpart=VILLAGES[61])
    send(bootstrap, move)
    pass_on(settings)
    raw = codec.encode(move.type.name, move.values)
    (origin,) = (each for messages in held(bootstrap, ACTIVATION).values() for each in messages if each.value() == raw)
    (passed,) = (
        each
        for messages in held(bootstrap, provinces.name_of(ACTIVATION, 61)).values()
        for each in messages
        if each.value() == raw
    )
    assert passed.partition() == origin.partition()
    assert said_by(passed) == {
        "ce_specversion": "1.0",
        "ce_id": identity.as_text(move.values["event_id"]),
        "ce_type": "SubjectArrived",
        "ce_source": move.values["source"],
        "ce_time": jsonform.iso_ms(move.values["occurred_at"]),
        "ce_subject": regions.format_code(VILLAGES[61]),
        "content-type": "application/avro",
        "cakupan_offset": f"{ACTIVATION}/{origin.partition()}/{origin.offset()}",
        "cakupan_arrived": jsonform.iso_ms(origin.timestamp()[1]),
    }


def pass_on(settings: Settings) -> None:
    """A fan-out until it has nothing more to do, and its end."""
    fanout = Fanout(settings.kafka_bootstrap, settings.fanout_group, settings.fanout_look_seconds)
    try:
        fanout.start()
        until("the log is passed on", lambda: fanout.step() == 0 and all(fanout.reached(each) for each in SOURCES))
    finally:
        fanout.close()


def test_started_again_it_passes_nothing_on_twice(settings: Settings) -> None:
    bootstrap = settings.kafka_bootstrap
    subscribe(bootstrap, 61)
    for _ in range(3):
        send(bootstrap, *(activated(person, 61) for person in range(5)))
        pass_on(settings)
        assert got(bootstrap, 61) == wanted(bootstrap, 61)


def test_killed_at_any_moment_it_loses_nothing(settings: Settings, tmp_path: Path) -> None:
    bootstrap = settings.kafka_bootstrap
    subscribe(bootstrap, 61, 62)
    rng = random.Random(7)
    begun: float | None = None
    for number in range(5):
        send(bootstrap, *(activated(rng.randrange(200), rng.choice((61, 62, 32))) for _ in range(2_000)))
        process = Process(settings, ("fanout",), tmp_path / f"fanout-{number}.log")
        before = sum(map(len, got(bootstrap, 61).values()))
        if begun is None:  # how long a start takes here, so that the others are killed while they pass on
            started = time.monotonic()
            until("it has begun", lambda b=before: sum(map(len, got(bootstrap, 61).values())) > b, process=process)  # type: ignore[misc]
            begun = time.monotonic() - started
        else:
            time.sleep(begun * rng.uniform(0.7, 1.1))
        process.kill()
    pass_on(settings)
    for province in (61, 62):
        assert first_deliveries(got(bootstrap, province)) == wanted(bootstrap, province)


def test_cut_short_between_passing_on_and_noting_it_repeats_and_loses_nothing(settings: Settings) -> None:
    bootstrap = settings.kafka_bootstrap
    subscribe(bootstrap, 61)
    send(bootstrap, *(activated(person % 20, 61) for person in range(300)))
    cut_short = Fanout(bootstrap, settings.fanout_group)
    cut_short.start()
    until("some is passed on", lambda: cut_short._pass_on(cut_short._main, 0.1, None) > 0)
    cut_short.close()
    pass_on(settings)
    assert first_deliveries(got(bootstrap, 61)) == wanted(bootstrap, 61)
    assert got(bootstrap, 61) != wanted(bootstrap, 61)  # some came twice, and event_id tells which


def test_a_province_that_comes_later_gets_all_from_the_beginning_in_order(settings: Settings, tmp_path: Path) -> None:
    bootstrap = settings.kafka_bootstrap
    subscribe(bootstrap, 61)
    send(bootstrap, *(activated(person % 50, (61, 62)[person % 2]) for person in range(2_000)))
    with running(settings, "fanout", log=tmp_path / "fanout.log") as process:
        has_all(settings, 61, process)
        subscribe(bootstrap, 62)
        for batch in range(5):  # while it catches up
            send(bootstrap, *(activated(person % 50, (61, 62)[person % 2]) for person in range(batch, batch + 100)))
        for province in (61, 62):
            has_all(settings, province, process)
        until("it has joined", lambda: "caught up: 62" in process.said, process=process)
        assert process.stop() == 0
    send(bootstrap, activated(3, 62))
    pass_on(settings)
    assert got(bootstrap, 62) == wanted(bootstrap, 62)
    assert got(bootstrap, 61) == wanted(bootstrap, 61)


def test_a_province_killed_while_it_catches_up_begins_again(settings: Settings) -> None:
    bootstrap = settings.kafka_bootstrap
    subscribe(bootstrap, 61)
    send(bootstrap, *(activated(person % 50, (61, 62)[person % 2]) for person in range(3_000)))
    pass_on(settings)
    subscribe(bootstrap, 62)
    cut_short = Fanout(bootstrap, settings.fanout_group)
    cut_short.start()
    assert cut_short.catching_up == {62}
    cut_short.close()  # nothing of it is noted
    pass_on_until(settings, {61, 62})
    assert first_deliveries(got(bootstrap, 62)) == wanted(bootstrap, 62)
    assert got(bootstrap, 61) == wanted(bootstrap, 61)


def pass_on_until(settings: Settings, those: set[int]) -> None:
    fanout = Fanout(settings.kafka_bootstrap, settings.fanout_group, 0.1)
    try:
        fanout.start()
        until(f"{those} have all", lambda: fanout.step() == 0 and fanout.provinces == those)
    finally:
        fanout.close()


def test_topics_made_anew_begin_anew(settings: Settings) -> None:
    bootstrap = settings.kafka_bootstrap
    subscribe(bootstrap, 61, 62)
    send(bootstrap, *(activated(person, 62) for person in range(10)))
    pass_on(settings)
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for done in admin.delete_topics([each.name for each in provinces.topics_of(62)]).values():
        done.result(20)
    pass_on_until(settings, {61})
    subscribe(bootstrap, 62)
    pass_on_until(settings, {61, 62})
    assert got(bootstrap, 62) == wanted(bootstrap, 62)


def test_topics_with_too_few_partitions_are_left_out(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    bootstrap = settings.kafka_bootstrap
    subscribe(bootstrap, 61)
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    few = [NewTopic(provinces.name_of(topic, 62), 1, 1) for topic in SOURCES]
    for done in admin.create_topics(few).values():
        done.result(20)
    pass_on_until(settings, {61})
    assert "not passed on to 62: a topic has fewer partitions than its source" in caplog.text


def test_the_topics_of_a_province_are_like_their_sources() -> None:
    declared = {each.name: each for each in provinces.topics_of(61)}
    assert list(declared) == [
        "ikd.p61.activation.v1",
        "ikd.p61.outreach.v1",
        "ikd.p61.coverage.v1",
        "ikd.p61.receipt.v1",
    ]
    for name in SOURCES:
        assert declared[provinces.name_of(name, 61)].partitions == TOPICS[name].partitions
        assert declared[provinces.name_of(name, 61)].config["retention.ms"] == str(30 * 86_400_000)
    for topic in ("coverage", "receipt"):
        assert declared[f"ikd.p61.{topic}.v1"].config["cleanup.policy"] == "compact"
    for code in (0, 6101, 99, 6101012001):
        with pytest.raises(UnknownRegion):
            provinces.topics_of(code)


def test_routing_leaves_no_record_to_the_wrong_province() -> None:
    """Every type, every pair of provinces, in one batch: against the record-wise reader's word."""
    made = [
        event(name, **{"domicile": VILLAGES[home], **({"counterpart": VILLAGES[away]} if "Subject" in name else {})})
        for name, kind in EVENTS.items()
        if kind.topic == ACTIVATION
        for home in VILLAGES
        for away in VILLAGES
    ]
    made = [Event(each.type, {n: each.values[n] for n in codec.columns(each.type)}) for each in made]
    records = [
        Record(3, n, key_of(each), codec.encode(each.type.name, each.values), now_ms()) for n, each in enumerate(made)
    ]
    for subscribed in ({61}, {62, 32}, {61, 62, 32}):
        passed: dict[str, list[bytes]] = defaultdict(list)
        for each in route(ACTIVATION, records, subscribed):
            assert each.partition == 3
            passed[each.topic].append(each.value)
        for province in subscribed:
            want = [
                record.value
                for record, one in zip(records, made, strict=True)
                if one.type.name == "SubjectErased"
                or VILLAGES[province] in (one.values["domicile"], one.values.get("counterpart"))
            ]
            assert passed[provinces.name_of(ACTIVATION, province)] == want
        assert passed.keys() == {provinces.name_of(ACTIVATION, each) for each in subscribed}
