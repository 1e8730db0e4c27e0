"""The stream for those without Kafka: a real server over a real log."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import random
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from hypothesis import given
from hypothesis import strategies as st

from api.app import create_app
from api.options import ApiOptions
from api.server import make_server
from api.stream.options import StreamOptions
from api.stream.ring import Channel, Cursor, Entry, Ring, Vector
from cakupan.embedded.kafka import KafkaNode
from events import catalogue, feed, jsonform
from events.catalogue import ACTIVATION, EVENTS
from events.feed import FEEDS
from events.feed_reader import FeedReader
from events.publisher import Publisher
from projections import keys
from projections.clickhouse import Database
from tests.conftest import empty, free_port
from tests.support import own_log
from tests.test_api_world import VILLAGES, happened, until

Json = dict[str, Any]
Message = tuple[str, str, Json]  # kind, id, data
ELSEWHERE = "62.01.01.2001"
ALL = "activation,outreach,coverage"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    with own_log(tmp_path_factory.mktemp("stream-log")) as node:
        yield node


def now_ms() -> int:
    return time.time_ns() // 1_000_000


COUNT = itertools.count(1)


def event(kind: str, village: str = VILLAGES[0], **more: Any) -> Json:
    """An activation event of somebody new."""
    return happened(kind, next(COUNT), village, "2024-06-30T10:00:00", **more)


def coverage(region: str) -> Json:
    """An answer that nobody had before."""
    example = catalogue.examples(EVENTS["CoverageChanged"], EVENTS["CoverageChanged"].newest)[0]
    rest = {name: value for name, value in example.items() if name != "event_id"}
    return {**rest, "region": region, "numerator": next(COUNT)}


def alert(region: str) -> Json:
    example = catalogue.examples(EVENTS["AlertRaised"], EVENTS["AlertRaised"].newest)[0]
    rest = {name: value for name, value in example.items() if name != "event_id"}
    return {**rest, "region": region, "measured": next(COUNT)}


def outreach(kind: str, region: str) -> Json:
    example = catalogue.examples(EVENTS[kind], EVENTS[kind].newest)[0]
    rest = {name: value for name, value in example.items() if name != "event_id"}
    return {**rest, "service_region": region, "occurred_at": jsonform.iso_ms(1_719_700_000_000 + next(COUNT))}


def publish(log: KafkaNode, *given: Json) -> list[str]:
    """Into the log, one after the other; returns their ids."""
    events = [jsonform.from_json(each, now_ms()) for each in given]
    with Publisher(log.bootstrap) as publisher:
        for each in events:
            publisher.publish(each)
    return [jsonform.to_json(each)["event_id"] for each in events]


@dataclass
class Served:
    """A server with its app, and keys by name."""

    url: str
    app: Any
    keys: dict[str, str]

    def headers(self, key: str = "", **more: str) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return named | ({"Authorization": f"Bearer {self.keys[key]}"} if key else {})

    def get(self, key: str = "", headers: Mapping[str, str] | None = None, **query: str) -> httpx.Response:
        """What should be refused."""
        asked = {"params": query, "headers": self.headers(key) | dict(headers or {}), "timeout": 30}
        with httpx.stream("GET", f"{self.url}/v1/stream", **asked) as answer:  # type: ignore[arg-type]
            assert answer.status_code != 200
            answer.read()
        return answer

    def metric(self, line: str) -> float:
        for each in httpx.get(f"{self.url}/metrics").text.splitlines():
            if each.startswith(line + " "):
                return float(each.split()[-1])
        return 0.0


@contextlib.contextmanager
def serving(database: Database, bootstrap: str, heartbeat: float = 0.1, **more: Any) -> Iterator[Served]:
    options = ApiOptions(
        heartbeat_seconds=heartbeat,
        public_level="regency",
        anonymous_connections=8,
        key_seconds=0,
        stream=StreamOptions(bootstrap=bootstrap, **more),
    )
    app, port = create_app(database, options), free_port()
    server = make_server(app, "127.0.0.1", port)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield Served(f"http://127.0.0.1:{port}", app, KEYS)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


KEYS: dict[str, str] = {}


@pytest.fixture(scope="module", autouse=True)
def _keys(database: Database) -> None:
    """Keys by name, each for three streams at a time."""
    empty(database)
    now = dt.datetime.now(dt.UTC)
    for name, region in (("sambas", 6101), ("kalbar", 61), ("nation", 0)):
        KEYS[name] = keys.add(database, name, region, 3, now + dt.timedelta(days=1), now)


@pytest.fixture(scope="module")
def served(log: KafkaNode, database: Database) -> Iterator[Served]:
    with serving(database, log.bootstrap) as each:
        yield each


class Stream:
    """An open stream, read line by line. `id`: the last one that it gave."""

    def __init__(self, answer: httpx.Response) -> None:
        assert answer.status_code == 200, answer.read()
        self.answer = answer
        self.id = ""
        self.comments = 0
        self._lines = answer.iter_lines()

    def steps(self) -> Iterator[Message | None]:
        """Messages, and None for every sign of life between them."""
        kind, data = "message", ""
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self.id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data = value
            elif line.startswith(":"):
                self.comments += 1
            if not line:
                yield (kind, self.id, json.loads(data)) if data else None
                kind, data = "message", ""

    def opened(self) -> str:
        """The id that a stream begins with."""
        assert next(self.steps()) is None
        return self.id

    def take(self, count: int) -> list[Message]:
        return list(itertools.islice((each for each in self.steps() if each is not None), count))

    def until(self, ends: Mapping[feed.Place, int]) -> list[Message]:
        """All that comes up to this place in the log."""
        found = []
        for each in self.steps():
            found += [] if each is None else [each]
            at = feed.read_positions(self.id, FEEDS)
            if all(offset >= ends[place] for place, offset in at.items()):
                return found
        raise AssertionError(f"the stream ended after {found[-1:]}")


@contextlib.contextmanager
def stream(served: Served, key: str = "", after: str = "", **query: str) -> Iterator[Stream]:
    headers = served.headers(key) | ({"Last-Event-ID": after} if after else {})
    with (
        httpx.Client(timeout=30) as client,
        client.stream("GET", f"{served.url}/v1/stream", params=query, headers=headers) as answer,
    ):
        yield Stream(answer)


def here(served: Served, key: str = "kalbar", **query: str) -> str:
    """The id of the present end of the log."""
    with stream(served, key, **query) as one:
        return one.opened()


def all_from(served: Served, log: KafkaNode, after: str, key: str = "kalbar", **query: str) -> list[str]:
    """Ids of all events from there to the present end."""
    with FeedReader(log.bootstrap, "test") as reader:
        ends = {place: end for place, (_, end) in reader.bounds(reader.places(FEEDS)).items()}
    with stream(served, key, after, **query) as one:
        return ids(one.until(ends))


def ids(messages: Sequence[Message]) -> list[str]:
    return [data["id"] for _, _, data in messages]


def mixed(count: int) -> list[Json]:
    """Events of Sambas in all topics."""
    made = [event("Activated", VILLAGES[n % 4]) for n in range(count - 2 * (count // 4))]
    made += [outreach("OutreachHeld", "61.01") for _ in range(count // 4)]
    made += [coverage("61.01") for _ in range(count // 4)]
    random.Random(count).shuffle(made)
    return made


def test_an_event_comes_as_a_cloud_event_with_its_position(served: Served, log: KafkaNode) -> None:
    with stream(served, "sambas", topics="activation") as one:
        begin = one.opened()
        (published,) = publish(log, event("Activated"))
        ((kind, position, data),) = one.take(1)
    assert one.answer.headers["content-type"].startswith("text/event-stream")
    assert (kind, data["id"], data["type"], data["subject"]) == ("message", published, "Activated", VILLAGES[0])
    assert (data["specversion"], data["datacontenttype"]) == ("1.0", "application/json")
    assert data["data"]["event_id"] == published
    before, behind = (feed.read_positions(each, ["activation"]) for each in (begin, position))
    assert len(behind) == 4
    assert sum(behind.values()) == sum(before.values()) + 1
    assert jsonform.to_json(jsonform.from_json(data["data"], now_ms())) == data["data"]


def test_cut_anywhere_a_stream_goes_on_with_exactly_the_rest(served: Served, log: KafkaNode) -> None:
    begin = here(served, topics=ALL)
    published = publish(log, *mixed(40))
    with stream(served, "kalbar", begin, topics=ALL) as one:
        whole = one.take(len(published))
    assert sorted(ids(whole)) == sorted(published)
    for cut in range(0, len(whole), 3):
        rest = all_from(served, log, whole[cut][1], topics=ALL)
        assert sorted(rest) == sorted(ids(whole[cut + 1 :])), cut


def test_another_process_that_has_nothing_in_memory_goes_on_as_exactly(log: KafkaNode, database: Database) -> None:
    """Each cut is taken up by a reader of the past, while new events come in."""
    small = {"back_events": 0, "ring_events": 3}
    with serving(database, log.bootstrap, **small) as first:
        begin = here(first, topics=ALL)
        publish(log, *mixed(24))
        with stream(first, "kalbar", begin, topics=ALL) as one:
            whole = one.take(24)
    with serving(database, log.bootstrap, **small) as second, stream(second) as holds_the_tail:
        holds_the_tail.opened()
        later: list[str] = []
        for cut in range(0, 24, 4):
            later += publish(log, event("Activated", VILLAGES[cut % 4]))
            rest = all_from(second, log, whole[cut][1], topics=ALL)
            assert sorted(rest) == sorted([*ids(whole[cut + 1 :]), *later]), cut


def test_a_stream_that_comes_from_the_past_goes_on_into_the_present(log: KafkaNode, database: Database) -> None:
    with serving(database, log.bootstrap, back_events=0) as served:
        begin = here(served, topics=ALL)
        published = publish(log, *mixed(16))
    with serving(database, log.bootstrap, back_events=0) as served, stream(served, "kalbar", begin, topics=ALL) as one:
        got = one.take(16)
        for number in range(6):
            published += publish(log, *mixed(4))
            got += one.take(4)
            assert sorted(ids(got)) == sorted(published), number
        rest = all_from(served, log, got[-6][1], topics=ALL)
    assert sorted(rest) == sorted(ids(got[-5:]))


@pytest.mark.parametrize("back", [0, 1024])
def test_regions_and_types_are_chosen_on_the_server(log: KafkaNode, database: Database, back: int) -> None:
    with serving(database, log.bootstrap, back_events=back) as served:
        begin = here(served, "nation", topics="activation,outreach")
        home, elsewhere, failed, held, leaves, comes = publish(
            log,
            event("Activated", VILLAGES[3]),
            event("Activated", ELSEWHERE),
            event("AttemptFailed", VILLAGES[3]),
            outreach("OutreachHeld", "61.01.08"),
            event("SubjectDeparted", VILLAGES[0], counterpart=ELSEWHERE),
            event("SubjectArrived", ELSEWHERE, counterpart=VILLAGES[0]),
        )
    with serving(database, log.bootstrap, back_events=back) as served:
        for query, expected in (
            ({"region": "61.01.08"}, {home, failed, held}),
            ({"region": "61", "type": "Activated,OutreachHeld"}, {home, held}),
            ({"region": "62"}, {elsewhere, leaves, comes}),
            ({"region": VILLAGES[0]}, {leaves, comes}),
            ({"type": "AttemptFailed"}, {failed}),
            ({"region": "0"}, {home, elsewhere, failed, held, leaves, comes}),
        ):
            got = all_from(served, log, begin, "nation", topics="activation,outreach", **query)
            assert (set(got), len(got)) == (expected, len(expected)), query


def test_a_key_gets_its_region_and_what_is_public(served: Served, log: KafkaNode) -> None:
    begin = here(served, "nation", topics=ALL)
    own, other, nation, province, village, strange = publish(
        log,
        event("Activated", VILLAGES[0]),
        event("Activated", ELSEWHERE),
        coverage("0"),
        coverage("62"),
        coverage(VILLAGES[0]),
        coverage(ELSEWHERE),
    )
    assert set(all_from(served, log, begin, "sambas", topics=ALL)) == {own, nation, province, village}
    assert set(all_from(served, log, begin, "nation", topics=ALL)) == {own, other, nation, province, village, strange}
    public = json.dumps([each for each in json.loads(begin) if each["topic"] == "coverage"])
    assert set(all_from(served, log, public, "")) == {nation, province}


def test_alerts_are_public_down_to_the_public_level(served: Served, log: KafkaNode) -> None:
    begin = here(served, "", topics="alert")
    regency, village, strange = publish(log, alert("61.01"), alert(VILLAGES[0]), alert(ELSEWHERE))
    for key, expected in (("", {regency}), ("sambas", {regency, village}), ("nation", {regency, village, strange})):
        assert set(all_from(served, log, begin, key, topics="alert")) == expected
    assert all_from(served, log, begin, "", topics="alert", region="62") == []


@pytest.mark.parametrize(
    ("key", "query", "status", "kind"),
    [
        ("", {"topics": "activation"}, 401, "no-key"),
        ("", {"topics": "coverage,outreach"}, 401, "no-key"),
        ("", {"region": VILLAGES[0]}, 401, "no-key"),
        ("sambas", {"topics": "activation", "region": "61"}, 403, "scope"),
        ("sambas", {"topics": "activation,coverage", "region": "62"}, 403, "scope"),
        ("sambas", {"region": ELSEWHERE}, 403, "scope"),
        ("sambas", {"topics": "reference"}, 422, "bad-parameter"),
        ("sambas", {"topics": "ikd.reference.v1"}, 422, "bad-parameter"),
        ("sambas", {"topics": ""}, 422, "bad-parameter"),
        ("sambas", {"topics": "activation", "type": "OutreachHeld"}, 422, "bad-parameter"),
        ("sambas", {"type": "Nothing"}, 422, "bad-parameter"),
        ("sambas", {"region": "61.99"}, 422, "bad-parameter"),
        ("sambas", {"since": "yesterday"}, 422, "bad-parameter"),
        ("sambas", {"since": "2024-06-01T00:00:00"}, 422, "bad-parameter"),
        ("sambas", {"since": "2199-01-01T00:00:00Z"}, 422, "bad-parameter"),
        ("sambas", {"regoin": "61"}, 422, "bad-parameter"),
    ],
)
def test_what_can_not_be_asked_for(served: Served, key: str, query: dict[str, str], status: int, kind: str) -> None:
    answer = served.get(key, None, **query)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:cakupan:problem:{kind}")
    if status == 422:
        (named,) = answer.json()["parameters"]
        assert named["reason"]
        assert named["allowed"] or named["name"] == "(unknown)"


def test_a_wrong_key_is_refused(served: Served) -> None:
    assert served.get(headers={"X-API-Key": "ckp_nothing"}, topics="coverage").status_code == 401


def test_only_the_two_forms_of_a_stream_are_given(served: Served) -> None:
    answer = served.get(headers={"Accept": "application/xml"})
    assert (answer.status_code, answer.headers["content-type"]) == (406, "application/problem+json")


def position(topic: str = "coverage", partition: Any = 0, offset: Any = 0) -> Json:
    return {"topic": topic, "partition": partition, "offset": offset}


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ("nonsense", "is no list"),
        ("{}", "is no list"),
        ("[]", "is no list"),
        ("[" * 5000, "is no list"),
        ("[1]", "something else"),
        (json.dumps([position() | {"more": 1}]), "something else"),
        (json.dumps([position("activation")]), "a topic that this stream is not of"),
        (json.dumps([position("ikd.reference.v1")]), "a topic that this stream is not of"),
        (json.dumps([position("ikd.coverage.v1")]), "a topic that this stream is not of"),
        (json.dumps([position(partition=7)]), "not there"),
        (json.dumps([position(), position()]), "twice"),
        (json.dumps([position(offset=-1)]), "no whole number"),
        (json.dumps([position(offset="0")]), "no whole number"),
        (json.dumps([position(offset=True)]), "no whole number"),
        (json.dumps([position(offset=2**63)]), "no whole number"),
        (json.dumps([position(offset=2**62)]), "beyond the end"),
        (json.dumps([position(offset=n) for n in range(1000)]), "longer than"),
    ],
)
def test_an_id_that_is_none_is_refused(served: Served, after: str, said: str) -> None:
    before = served.metric('cakupan_api_stream_refused_total{reason="id"}')
    answer = served.get(headers={"Last-Event-ID": after})
    assert (answer.status_code, answer.json()["parameters"][0]["name"]) == (422, "Last-Event-ID")
    assert said in answer.json()["detail"]
    assert served.metric('cakupan_api_stream_refused_total{reason="id"}') == before + 1


def test_a_partition_that_an_id_does_not_name_is_read_from_its_begin(served: Served, log: KafkaNode) -> None:
    begin = json.loads(here(served, topics="activation"))
    got = all_from(served, log, json.dumps(begin[:1]), topics="activation")
    assert len(got) == sum(each["offset"] for each in begin[1:]) - len(strangers(log, begin))


def strangers(log: KafkaNode, begin: list[Json]) -> list[Any]:
    """Events in the partitions of an id, but the first, that Kalimantan Barat is not told of."""
    wanted = feed.Filter((("activation", 61),), scope=61)
    with FeedReader(log.bootstrap, "test") as reader:
        ends = {("activation", each["partition"]): each["offset"] for each in begin[1:]}
        reader.start(dict.fromkeys(ends, 0))
        found: list[Any] = []
        while any(reader.at[place] < end for place, end in ends.items()):
            found += [feed.read(each) for each in reader.read(1000, 1)]
    return [each for each in found if each is None or not wanted.wants(each)]


def test_since_a_time(served: Served, log: KafkaNode) -> None:
    early = publish(log, *mixed(8))
    time.sleep(0.01)  # the log's clock counts milliseconds
    since = dt.datetime.now(dt.UTC).isoformat()
    time.sleep(0.01)
    late = publish(log, *mixed(8))
    got = set(all_since(served, log, since))
    assert got >= set(late)
    assert not got & set(early)
    # A log that has lost nothing is complete from its begin: any time before it is good.
    assert set(all_since(served, log, "2024-06-01T00:00:00Z")) >= {*early, *late}


def all_since(served: Served, log: KafkaNode, since: str) -> list[str]:
    return all_from(served, log, "", topics=ALL, since=since)


def test_since_before_what_the_log_keeps_says_so(tmp_path: Path, database: Database) -> None:
    with own_log(tmp_path / "cut") as log:
        before = dt.datetime.now(dt.UTC).isoformat()
        published = publish(log, *(event("Activated") for _ in range(30)))
        lost = cut(log)
        with serving(database, log.bootstrap) as served:
            gone = served.get("nation", topics="activation", since=before)
            assert (gone.status_code, gone.json()["type"]) == (410, "urn:cakupan:problem:gone")
            kept = all_from(served, log, "", "nation", topics="activation", since=gone.json()["earliest"])
            assert set(kept) <= set(published)
            old = json.dumps([position("activation", lost[1], 1)])
            late = served.get("nation", headers={"Last-Event-ID": old}, topics="activation")
            assert (late.status_code, late.json()["earliest"]) == (410, gone.json()["earliest"])
            # Who comes back with a good id is not asked again since when.
            good = here(served, "nation", topics="activation")
            assert all_from(served, log, good, "nation", topics="activation", since=before) == []


def cut(log: KafkaNode) -> feed.Place:
    """Take from the log all but the last of the partition that has most; returns which."""
    with FeedReader(log.bootstrap, "test") as reader:
        ends = {place: end for place, (_, end) in reader.bounds(reader.places(["activation"])).items()}
    place, end = max(ends.items(), key=lambda each: each[1])
    admin = AdminClient({"bootstrap.servers": log.bootstrap})
    behind = TopicPartition(ACTIVATION, place[1], end - 1)
    admin.delete_records([behind])[behind].result(20)
    return place


def test_lines_of_json_are_the_same_events(served: Served, log: KafkaNode) -> None:
    begin = here(served, topics="activation")
    publish(log, *(event("Activated") for _ in range(5)))
    with stream(served, "kalbar", begin, topics="activation") as one:
        events = one.take(5)
    headers = served.headers("kalbar", Last_Event_ID=begin, Accept="application/x-ndjson")
    lines, empty_lines = [], 0
    with httpx.stream("GET", f"{served.url}/v1/stream?topics=activation", headers=headers, timeout=30) as answer:
        for line in answer.iter_lines():
            lines += [json.loads(line)] if line else []
            empty_lines += not line
            if len(lines) == 5 and empty_lines > 3:
                break
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert sorted(each["event"]["id"] for each in lines) == sorted(ids(events))
    resumed = all_from(served, log, json.dumps(lines[2]["position"]), topics="activation")
    assert sorted(resumed) == sorted(each["event"]["id"] for each in lines[3:])


def test_a_quiet_stream_shows_that_it_lives_and_how_far_the_log_is(served: Served, log: KafkaNode) -> None:
    with stream(served, "sambas", topics="activation", region="61.01.01") as one:
        begin = one.opened()
        (unwanted,) = publish(log, event("Activated", ELSEWHERE))
        steps = one.steps()
        while one.id == begin:
            assert next(steps) is None
        assert one.comments >= 2
    assert unwanted not in all_from(served, log, one.id, "nation", topics="activation")


def test_no_more_streams_than_a_key_may_hold(served: Served) -> None:
    until(lambda: served.app.state.context.streams.count == 0)
    with contextlib.ExitStack() as open_:
        held = [open_.enter_context(stream(served, "sambas")) for _ in range(3)]
        refused = served.get("sambas")
        assert (refused.status_code, refused.json()["type"]) == (429, "urn:cakupan:problem:too-many-streams")
        assert refused.json()["limit"] == 3
        assert refused.headers["retry-after"]
        held += [open_.enter_context(stream(served, key)) for key in ("kalbar", *[""] * 8)]
        assert all(each.opened() for each in held)
        assert served.get().status_code == 429
    until(lambda: served.app.state.context.streams.count == 0)
    here(served, "sambas")


def test_no_more_streams_than_a_process_may_hold(log: KafkaNode, database: Database) -> None:
    with serving(database, log.bootstrap, listeners=1) as served, stream(served) as one:
        one.opened()
        full = served.get()
        assert (full.status_code, full.json()["type"]) == (503, "urn:cakupan:problem:full")
        assert full.headers["retry-after"]


def test_no_more_readers_of_the_past_than_there_may_be(log: KafkaNode, database: Database) -> None:
    with serving(database, log.bootstrap, back_events=0, readers=1, wait_seconds=0.2, stalled_seconds=60) as served:
        publish(log, *(coverage("61") for _ in range(6000)))
        query = "since=2024-06-01T00:00:00Z"
        with unread(served, query):
            until(lambda: served.metric("cakupan_api_stream_readers") == 1)
            busy = served.get(since="2024-06-01T00:00:00Z")
            assert (busy.status_code, busy.json()["type"]) == (503, "urn:cakupan:problem:busy")
            with stream(served) as present:
                present.opened()
        until(lambda: served.metric("cakupan_api_stream_readers") == 0)


def test_who_has_come_into_the_present_holds_no_reader(log: KafkaNode, database: Database) -> None:
    with serving(database, log.bootstrap, back_events=0) as served:
        begin = here(served, topics=ALL)
        published = publish(log, *mixed(8))
    with (
        serving(database, log.bootstrap, back_events=0, readers=1, wait_seconds=0.2) as served,
        stream(served, "kalbar", begin, topics=ALL) as one,
        stream(served, "nation", topics=ALL) as other,
    ):
        other.opened()
        assert sorted(ids(one.take(8))) == sorted(published)
        until(lambda: served.metric("cakupan_api_stream_readers") == 0)
        published = publish(log, *mixed(4))
        assert sorted(ids(one.take(4))) == sorted(published)
        assert len(all_from(served, log, begin, topics=ALL)) == 12


@contextlib.contextmanager
def unread(served: Served, query: str) -> Iterator[socket.socket]:
    """A stream whose client takes nothing, and hardly anything fits in between."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", int(served.url.rsplit(":", 1)[1])))
        client.sendall(f"GET /v1/stream?{query} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        yield client


def rest_of(client: socket.socket) -> bytes:
    client.settimeout(30)
    parts = []
    while part := client.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(("reason", "patience"), [("slow", 60.0), ("stalled", 0.3)])
def test_a_slow_reader_is_cut_with_a_last_word(
    log: KafkaNode, database: Database, reason: str, patience: float
) -> None:
    with (
        serving(database, log.bootstrap, ring_events=500, stalled_seconds=patience) as served,
        unread(served, "topics=coverage") as client,
    ):
        until(lambda: served.app.state.context.streams.count == 1)
        counted = f'cakupan_api_stream_cut_total{{reason="{reason}"}}'
        published = publish(log, *(coverage("61") for _ in range(9000)))
        until(lambda: served.metric("cakupan_api_stream_read_total") >= 9000)
        if reason == "stalled":
            until(lambda: served.metric(counted) == 1)
        whole = unchunked(rest_of(client))
        until(lambda: served.metric(counted) == 1)
    messages = list(parsed(whole))
    kind, position_, problem = messages[-1]
    assert (kind, problem["type"]) == ("error", f"urn:cakupan:problem:{reason}")
    assert "Last-Event-ID" in problem["detail"]
    got = ids(messages[:-1])
    assert 0 < len(got) < 9000
    with serving(database, log.bootstrap) as served:
        assert got + all_from(served, log, position_, "") == published


def parsed(whole: bytes) -> Iterator[Message]:
    """Messages of a stream that has ended."""
    for block in whole.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in lines:
            yield lines.get("event", "message"), lines["id"], json.loads(lines["data"])


def unchunked(raw: bytes) -> bytes:
    _, _, rest = raw.partition(b"\r\n\r\n")
    parts = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        count = int(size, 16)
        parts.append(rest[:count])
        rest = rest[count + 2 :]
        if not count:
            return b"".join(parts)
    raise AssertionError("the stream was cut without its end")


def test_streams_end_with_a_word_when_the_server_stops(log: KafkaNode, database: Database) -> None:
    last: list[Message] = []
    with contextlib.ExitStack() as parts:
        with serving(database, log.bootstrap) as served:
            one = parts.enter_context(stream(served))
            one.opened()
            reader = threading.Thread(target=lambda: last.extend(one.take(1)))
            reader.start()
        reader.join(20)
    ((kind, _, problem),) = last
    assert (kind, problem["type"]) == ("error", "urn:cakupan:problem:stopping")


def test_a_stream_ends_when_its_key_does(served: Served, log: KafkaNode, database: Database) -> None:
    now = dt.datetime.now(dt.UTC)
    KEYS["short"] = keys.add(database, "short", 61, 3, now + dt.timedelta(days=1), now)
    with stream(served, "short", topics="activation") as one:
        one.opened()
        (published,) = publish(log, event("Activated"))
        assert ids(one.take(1)) == [published]
        keys.remove(database, "short")
        ((kind, _, problem),) = one.take(1)
    assert (kind, problem["type"]) == ("error", "urn:cakupan:problem:key")
    assert served.get("short", topics="activation").status_code == 401


def test_refused_records_are_no_events(served: Served, log: KafkaNode) -> None:
    begin = here(served, topics="activation")
    with Publisher(log.bootstrap) as publisher:
        publisher.send(ACTIVATION, b"k", b"no event")
        publisher.send(ACTIVATION, b"k", None)
    (good,) = publish(log, event("Activated"))
    assert all_from(served, log, begin, topics="activation") == [good]


def test_without_kafka_there_is_no_stream(database: Database) -> None:
    with serving(database, f"127.0.0.1:{free_port()}") as served:
        away = served.get()
        assert (away.status_code, away.json()["away"][0]["name"]) == (503, "kafka")
    with serving(database, "") as served:
        assert served.get().status_code == 503


PLACES = (("activation", 0), ("activation", 1), ("coverage", 0))


def in_ring(ring: Ring, place: feed.Place, offset: int, region: int) -> Entry:
    """The tail reads one more."""
    record = feed.Record(
        place,
        offset,
        0,
        f"{place[0]}/{place[1]}/{offset}",
        "Any",
        (region,),
        f"{place[0]}/{place[1]}/{offset}".encode(),
    )
    after = tuple(offset + 1 if each == place else at for each, at in zip(ring.places, ring.now, strict=True))
    return ring.append(record, after)


def told(channel: Channel, cursor: Cursor) -> Iterator[tuple[Vector, feed.Place, int]]:
    """What a reader gets: the vector, the place and the offset of each."""
    while chunk := channel.take(cursor):
        for line in chunk.decode().splitlines():
            vector, name = line.split(" ")
            topic, partition, offset = name.split("/")
            yield tuple(map(int, vector.split(","))), (topic, int(partition)), int(offset)


def shown(id_: bytes, data: bytes) -> bytes:
    offsets = ",".join(str(each["offset"]) for each in json.loads(id_))
    return f"{offsets} {data.decode()}\n".encode()


@given(
    st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=60),
    st.data(),
)
def test_whatever_has_been_read_what_is_told_is_exactly_the_rest(
    reads: list[tuple[int, bool]], data: st.DataObject
) -> None:
    """Of a tail that began anywhere and was read in any order, to a reader that stood anywhere."""
    begin = data.draw(st.tuples(*(st.integers(0, 3) for _ in PLACES)))
    ring = Ring(PLACES, begin, most=data.draw(st.integers(5, 80)), most_bytes=1 << 20)
    wanted = feed.Filter((("activation", 61), ("coverage", 61)), scope=0)
    early = Channel(ring, wanted, shown)
    sure: set[tuple[feed.Place, int]] = set()
    for number, inside in reads:
        place = PLACES[number]
        entry = in_ring(ring, place, ring.now[number], 6101 if inside else 62)
        if wanted.wants(entry.record):
            early.append(entry)
            sure.add((place, entry.record.offset))
    ends = ring.now
    at = data.draw(st.tuples(*(st.integers(low, high) for low, high in zip(ring.before, ends, strict=True))))
    late = Channel(ring, wanted, shown)
    rest = {(place, offset) for place, offset in sure if offset >= at[PLACES.index(place)]}
    for channel in (early, late):
        got = list(told(channel, channel.join(at)))
        assert sorted((place, offset) for _, place, offset in got) == sorted(rest)
        for number, (vector, _, _) in enumerate(got):
            left = {(place, offset) for _, place, offset in got[number + 1 :]}
            assert {(p, o) for p, o in sure if o >= vector[PLACES.index(p)]} == left
