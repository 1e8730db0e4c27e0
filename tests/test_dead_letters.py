"""Dead letters as work, on the real Kafka and the real ClickHouse engine: found, shown, sent again, discarded.

One worker takes in what all tests write: each looks at letters of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from cakupan import recount, wiring
from cakupan.commands.dead_letters import safe_bytes
from cakupan.dead_letters import Place, read_originals
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from cakupan.settings import Settings
from events import codec, identity, jsonform, partial
from events.catalogue import ACTIVATION, BY_SCHEMA_ID, DEAD_LETTER, EVENTS, examples
from events.codec import Event
from events.publisher import Publisher, key_of
from projections import dead_letters
from projections.clickhouse import Database
from projections.dead_letters import Letter, Selection
from tests.support import Process, command, own_database, running, until
from tests.test_worker import activated, answers, caught_up, expected, log, now_ms

__all__ = ["log"]

NIK = "6101014502990001"


@pytest.fixture(scope="module")
def settings(
    log: KafkaNode, clickhouse: ClickHouseNode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    with own_database(log, clickhouse, tmp_path_factory.mktemp("dead-letters")) as made:
        yield made


@pytest.fixture(scope="module")
def worker(settings: Settings) -> Iterator[Process]:
    with running(settings, "worker", log=settings.data_dir / "worker.log") as process:
        yield process
        assert process.stop() == 0


@pytest.fixture
def source(request: pytest.FixtureRequest) -> str:
    """An office that only this test hears from."""
    return f"office-{request.node.name}"


def put(settings: Settings, event: Event, raw: bytes, topic: str = ACTIVATION) -> tuple[int, int]:
    """A record into the log; its partition and offset."""
    places: list[tuple[int, int]] = []
    with Publisher(settings.kafka_bootstrap) as publisher:
        publisher.send(topic, key_of(event), raw, lambda *place: places.append(place))
    return places[0]


def letter_at(settings: Settings, place: tuple[int, int], topic: str = ACTIVATION) -> Letter | None:
    return dead_letters.at_place(wiring.database(settings), topic, *place)


def wait_for(settings: Settings, worker: Process, place: tuple[int, int], status: str = "open") -> Letter:
    def there() -> bool:
        found = letter_at(settings, place)
        return found is not None and found.status == status

    until(f"a letter that is {status}", there, process=worker)
    found = letter_at(settings, place)
    assert found is not None
    return found


def run(settings: Settings, *arguments: str, code: int = 0) -> Any:
    done = command(settings, "dead-letters", *arguments, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def said(settings: Settings, *arguments: str, code: int = 0) -> str:
    done = command(settings, "dead-letters", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def name(place: tuple[int, int]) -> str:
    return f"{ACTIVATION}/{place[0]}/{place[1]}"


def changed(event: Event, **values: Any) -> bytes:
    return codec.encode(event.type.name, {**event.values, **values})


def test_listed_shown_retried_and_discarded(settings: Settings, worker: Process, source: str) -> None:
    person = activated(9001)
    place = put(settings, person, changed(person, domicile=6101019999, source=source))
    letter = wait_for(settings, worker, place)
    assert (letter.type, letter.source, letter.kind) == (
        "Activated",
        source,
        "Activated: domicile: is no village of the register",
    )

    (listed,) = run(settings, "list", "--source", source, "--status", "open", "--reason", "NO VILLAGE")
    assert listed["place"] == name(place)
    (group,) = run(settings, "list", "--summary", "--source", source)
    assert (group["letters"], group["kind"], group["status"]) == (1, letter.kind, "open")

    shown = run(settings, "show", identity.as_text(letter.event_id))
    assert shown["record"]["type"] == "Activated"
    assert shown["record"]["fields"]["source"] == source
    assert shown["record"]["stopped"] is None

    dry = run(settings, "retry", "--source", source, "--dry-run")
    assert dry["sent"] == 0
    assert dry["letters"] == [{"place": name(place), "refused_now": letter.reason}]

    assert run(settings, "retry", name(place))["sent"] == 1
    retried = wait_for(settings, worker, place, "retried")
    assert retried.sent is not None
    again = wait_for(settings, worker, retried.sent)
    assert again.origin == place
    assert run(settings, "show", name(retried.sent))["origin"] == name(place)

    assert run(settings, "retry", name(retried.sent))["sent"] == 1
    twice = wait_for(settings, worker, retried.sent, "retried")
    assert twice.sent is not None
    assert wait_for(settings, worker, twice.sent).origin == place  # the first place, however often

    because = "the village is none, the office knows"
    assert run(settings, "discard", name(twice.sent), "--reason", because)["discarded"] == 1
    assert wait_for(settings, worker, twice.sent, "discarded").decision_reason == because
    assert run(settings, "list", "--source", source, "--status", "open") == []
    until("all taken in", caught_up(settings), process=worker)
    assert answers(settings) == expected(settings.kafka_bootstrap)
    assert recount.read_log(settings.kafka_bootstrap).unaccounted == []


def test_what_the_rules_let_in_now_is_taken_in_once(settings: Settings, worker: Process) -> None:
    """The letter of a worker with an older rule, about bytes that are right by the present ones."""
    person = activated(9011)
    good = put(settings, person, changed(person))
    with Publisher(settings.kafka_bootstrap) as publisher:
        publisher.publish(refusal(good))
    letter = wait_for(settings, worker, good)
    assert run(settings, "retry", "--reason", letter.reason)["letters"] == [{"place": name(good), "refused_now": None}]
    settled = wait_for(settings, worker, good, "retried")
    until("all taken in", caught_up(settings), process=worker)
    assert settled.sent is not None
    assert letter_at(settings, settled.sent) is None
    # Its record stands in the log twice, one place of them refused; the event counts once.
    assert answers(settings) == expected(settings.kafka_bootstrap)


def refusal(place: tuple[int, int]) -> Event:
    event = EVENTS["RecordRefused"]
    values = jsonform.from_json(examples(event, event.newest)[0], now_ms()).values
    at = now_ms()
    mine = {"topic": ACTIVATION, "partition": place[0], "offset": place[1], "reason": f"a rule mended since, {at}"}
    return Event(event, {**values, "event_id": identity.new_event_id(at), "occurred_at": at, "recorded_at": at, **mine})


def test_the_original_bytes_and_key_are_sent(settings: Settings, worker: Process) -> None:
    person = activated(9021)
    raw = changed(person)[:-3]
    place = put(settings, person, raw)
    wait_for(settings, worker, place)
    run(settings, "retry", name(place))
    sent = wait_for(settings, worker, place, "retried").sent
    assert sent is not None
    first, second = Place(ACTIVATION, *place), Place(ACTIVATION, *sent)
    found = read_originals(settings.kafka_bootstrap, [first, second])
    assert found[first].value == found[second].value == raw
    assert found[first].key == found[second].key == key_of(person)


def test_a_nik_is_never_shown_nor_written_again(settings: Settings, worker: Process) -> None:
    person = activated(9031)
    texts = put(settings, person, changed(person, source=f"kantor {NIK}"))
    number = put(settings, person, changed(person, domicile=int(NIK)))
    plain = put(settings, person, f'{{"nik": "{NIK}"}}'.encode())
    for place in (texts, number, plain):
        letter = wait_for(settings, worker, place)
        assert letter.source == ("" if place != number else person.values["source"])
        for text in (said(settings, "show", name(place)), json.dumps(run(settings, "show", name(place)))):
            assert NIK not in text
            assert NIK.encode().hex() not in text.replace(" ", "")
    for place in (texts, plain):
        assert run(settings, "retry", name(place), code=1)["held_back"] == [name(place)]
        found = letter_at(settings, place)
        assert found is not None
        assert found.status == "open"
    assert NIK not in said(settings, "discard", name(texts), "--reason", f"NIK {NIK}", code=2)
    assert NIK not in worker.said


def test_noise_among_the_letters_is_left_out_and_counted(settings: Settings, worker: Process) -> None:
    """A letter about a letter would be the next to be refused, for ever."""
    person = activated(9041)
    for raw in (b"noise", changed(person), codec.frame_header(501) + b"x"):
        put(settings, person, raw, DEAD_LETTER)
    place = put(settings, person, b"bad")
    wait_for(settings, worker, place)
    until("it is told", lambda: f"{DEAD_LETTER}: " in worker.said and "left out" in worker.said, process=worker)
    assert wiring.database(settings).rows("SELECT 1 FROM dead_letter WHERE topic = 'ikd.dead-letter.v1'") == []
    assert recount.read_log(settings.kafka_bootstrap).unaccounted == []


def test_the_api_counts_them_and_gives_no_bytes(settings: Settings, worker: Process, source: str) -> None:
    person = activated(9051)
    place = put(settings, person, changed(person, domicile=6101019999, source=source))
    wait_for(settings, worker, place)
    with TestClient(create_app(wiring.database(settings))) as client:
        answer = client.get("/v1/dead-letters").json()
        (group,) = [each for each in answer["groups"] if each["source"] == source]
        assert (group["topic"], group["status"], group["letters"]) == (ACTIVATION, "open", 1)
        assert answer["total"] >= answer["open"] >= 1
        assert answer["total"] == sum(each["letters"] for each in answer["groups"])
        counted = sum(
            each["letters"] for each in answer["groups"] if (each["topic"], each["status"]) == (ACTIVATION, "open")
        )
        metric = f'cakupan_dead_letters{{status="open",topic="{ACTIVATION}"}} {float(counted)}'
        assert metric in client.get("/metrics").text
        assert client.get("/v1/dead-letters?bytes=1").status_code == 422


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (("list", "--topic", "nothing"), "--topic: must be one of ikd.activation.v1"),
        (("list", "--status", "lost"), "--status: must be one of open, retried, discarded"),
        (("show", "x"), "a UUID, or by TOPIC/PARTITION/OFFSET"),
        (("show", "ikd.other/1/2"), "topics are ikd.activation.v1"),
        (("show", "ikd.activation.v1/0/99999999"), "no dead letter has this id or place"),
        (("retry",), "or say --all"),
        (("retry", "ikd.activation.v1/0/1", "--all"), "not both"),
        (("discard", "--all", "--reason", " "), "--reason: say why"),
        (("discard", "--all", "--reason", "x" * 201), "longer than 200"),
    ],
)
def test_what_can_not_be_is_said(settings: Settings, arguments: tuple[str, ...], allowed: str) -> None:
    assert allowed in said(settings, *arguments, code=2)


def test_letters_in_any_order_any_number_of_times_give_the_same(clean: Database) -> None:
    place, sent = (2, 1234), (2, 5678)
    first, second = refusal(place), refusal(sent)
    by_name = {each["decision"]: each for each in examples(EVENTS["RefusalSettled"], EVENTS["RefusalSettled"].newest)}
    decided = jsonform.from_json(by_name["retried"], now_ms())
    log_ = [codec.encode(each.type.name, each.values) for each in (first, decided, second)]
    for order in (log_, log_[::-1], [*log_, *log_]):
        clean.run("TRUNCATE TABLE dead_letter")
        clean.run("TRUNCATE TABLE dead_letter_decision")
        for raw in order:
            frames = codec.decode_batch(DEAD_LETTER, [raw], [now_ms()]).frames
            for table in (dead_letters.LETTERS_IN, dead_letters.DECISIONS_IN):
                if rows := table.rows(frames):
                    clean.insert(table.name, rows)
        found = {(each.partition, each.offset): each for each in dead_letters.find(clean, Selection(), 10)}
        assert (found[place].status, found[place].sent) == ("retried", sent)
        assert (found[sent].status, found[sent].origin) == ("open", place)
        assert dead_letters.counts(clean) == {(ACTIVATION, "open"): 1, (ACTIVATION, "retried"): 1}


@pytest.mark.parametrize("schema_id", sorted(BY_SCHEMA_ID))
def test_the_partial_reader_reads_what_the_codec_reads_and_stops_where_it_breaks(schema_id: int) -> None:
    event, version = BY_SCHEMA_ID[schema_id]
    for given in examples(event, version):
        raw = codec.encode(event.name, jsonform.values_of_version(event, version, given, now_ms()), version)
        whole = partial.read(raw)
        values = codec.decode(raw, event.topic).values
        assert (whole.type, whole.stopped) == (event.name, "")
        for each in whole.fields:
            assert each.value == values[each.name]
        for length in range(len(raw)):
            cut = partial.read(raw[:length])
            assert cut.stopped
            assert cut.fields == whole.fields[: len(cut.fields)]
        assert partial.read(raw + b"xy").stopped == "2 bytes are left over"


def test_a_number_that_holds_a_nik_is_blanked_in_the_bytes_too() -> None:
    raw = changed(activated(1), domicile=int(NIK))
    reading = partial.read(raw)
    hidden = next(each for each in reading.fields if each.name == "domicile")
    assert hidden.text == "#" * 16
    assert partial.read(safe_bytes(raw, reading)).value("domicile") != int(NIK)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("schema id 9999 is unknown", "schema id N is unknown"),
        ("12 bytes are left over after a Activated", "N bytes are left over after a Activated"),
        ("Activated: source: holds 16 digits, which looks like a NIK", None),
    ],
)
def test_reasons_are_grouped_by_what_they_share(reason: str, kind: str | None) -> None:
    assert dead_letters.kind_of(reason) == (kind or reason)
