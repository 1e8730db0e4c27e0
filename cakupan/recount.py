"""What the log says, counted again by plain, separate code: a consumer, fastavro, dictionaries.

Shares no code with the worker's path: not the batch reader, not the SQL. Slow and simple on purpose.
"""

from __future__ import annotations

import datetime as dt
import functools
import io
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import fastavro
from confluent_kafka import Consumer, KafkaException, TopicPartition

from events import catalogue
from events.errors import PublishError
from events.kafka import reading

WIB = dt.timedelta(hours=7)
EPOCH = dt.date(1970, 1, 1)
DAY_MS = 86_400_000
WAIT_SECONDS = 0.05  # in which a fetch fills up: a topic with little in it costs that much
Place = tuple[str, int]  # topic, partition
RegionDay = tuple[int, dt.date]

READ_TOPICS = (
    catalogue.DEAD_LETTER,
    catalogue.ACTIVATION,
    catalogue.OUTREACH,
    catalogue.REFERENCE,
    catalogue.HEARTBEAT,
    catalogue.ALERT,
)


@dataclass(frozen=True)
class LogEvent:
    """A decoded record. `values` as fastavro gives them without logical types: times in ms, dates in days."""

    name: str
    values: dict[str, Any]


@dataclass
class Log:
    """The distinct events of the log, by id, and what could not be read and is in no dead letter."""

    events: dict[bytes, LogEvent] = field(default_factory=dict)
    end: dict[Place, int] = field(default_factory=dict)
    refused: set[tuple[str, int, int]] = field(default_factory=set)
    unaccounted: list[str] = field(default_factory=list)
    records: int = 0


def read_log(bootstrap: str, log: Log | None = None, on_progress: Callable[[int, int], None] = lambda *_: None) -> Log:
    """Read every topic from where `log` ends (from 0 at first) to the present end.

    `on_progress(done, total)` counts records of a topic. Raises PublishError if Kafka is away.
    """
    log = log or Log()
    with reading(bootstrap, "cakupan-verify") as consumer:
        for topic in READ_TOPICS:  # the dead letters first: what they name is skipped in the other topics
            _read_topic(consumer, topic, log, on_progress)
    return log


def _read_topic(consumer: Consumer, topic: str, log: Log, on_progress: Callable[[int, int], None]) -> None:
    meta = consumer.list_topics(topic, timeout=10).topics[topic]
    starts: list[TopicPartition] = []
    ends: dict[int, int] = {}
    for partition in meta.partitions:
        _, ends[partition] = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        start = log.end.get((topic, partition), 0)
        log.end[topic, partition] = ends[partition]
        if start < ends[partition]:
            starts.append(TopicPartition(topic, partition, start))
    total = sum(ends[each.partition] - each.offset for each in starts)
    waiting = {each.partition for each in starts}
    consumer.assign(starts)
    done, deadline = 0, time.monotonic() + 60
    while waiting:
        messages = consumer.consume(10_000, timeout=WAIT_SECONDS)
        if messages:
            deadline = time.monotonic() + 60
        elif time.monotonic() > deadline:
            raise PublishError(f"Kafka stopped answering while {topic} was read")
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            if message.offset() < ends[message.partition()]:
                _take(log, message)
                done += 1
            if message.offset() >= ends[message.partition()] - 1:
                waiting.discard(message.partition())
        on_progress(done, total)
    consumer.unassign()


def _take(log: Log, message: Any) -> None:
    log.records += 1
    place = (message.topic(), message.partition(), message.offset())
    if place in log.refused:
        return
    try:
        event = _decode(message.value())
    except Exception:
        if place[0] == catalogue.DEAD_LETTER:  # no letter is written about a letter
            log.refused.add(place)
            return
        log.unaccounted.append(f"{place[0]}/{place[1]} offset {place[2]}: no event, and in no dead letter")
        return
    if event.name == "RecordRefused":
        log.refused.add((event.values["topic"], event.values["partition"], event.values["offset"]))
        return
    if event.name == "RefusalSettled":
        return
    event_id = event.values["event_id"]
    known = log.events.setdefault(event_id, event)
    if event.values["recorded_at"] > known.values["recorded_at"]:
        log.events[event_id] = event  # two contents under one id: the one recorded last holds


def _decode(raw: bytes) -> LogEvent:
    schema_id = int.from_bytes(raw[1:5], "big")
    event, version = catalogue.BY_SCHEMA_ID[schema_id]
    values = fastavro.schemaless_reader(io.BytesIO(raw[5:]), _schema(schema_id), None)
    return LogEvent(event.name, {**version.filled, **values} if version.filled else values)


_SCHEMAS: dict[int, Any] = {}


def _schema(schema_id: int) -> Any:
    if schema_id not in _SCHEMAS:
        raw = catalogue.schema(schema_id)
        plain = {**raw, "fields": [{**each, "type": _plain(each["type"])} for each in raw["fields"]]}
        _SCHEMAS[schema_id] = fastavro.parse_schema(plain)
    return _SCHEMAS[schema_id]


def _plain(kind: Any) -> Any:
    return kind["type"] if isinstance(kind, dict) and "logicalType" in kind else kind


def wib_day(at_ms: int) -> dt.date:
    """The day in western Indonesian time."""
    return _day((at_ms + 7 * 3_600_000) // DAY_MS)


@functools.cache
def _day(number: int) -> dt.date:
    return EPOCH + dt.timedelta(days=number)


@dataclass
class Change:
    """What happened to the number of active people of a region on a day."""

    active_change: int = 0
    activated: int = 0
    deactivated: int = 0
    moved_in: int = 0
    moved_out: int = 0

    def add(self, other: Change) -> None:
        self.active_change += other.active_change
        self.activated += other.activated
        self.deactivated += other.deactivated
        self.moved_in += other.moved_in
        self.moved_out += other.moved_out


def count_coverage(log: Log) -> dict[RegionDay, Change]:
    """Changes by region and day, villages and everything above them."""
    out: dict[RegionDay, Change] = defaultdict(Change)
    for village, day, change in _village_changes(_histories(log)):
        for region in (village, village // 10**4, village // 10**6, village // 10**8, 0):
            out[region, day].add(change)
    return dict(out)


_KINDS = frozenset({"Activated", "Deactivated", "SubjectArrived", "SubjectDeparted"})


def _histories(log: Log) -> Mapping[bytes, list[tuple[int, bytes, str, int]]]:
    """What moves a person's status or domicile, in order of time and, in one millisecond, of id."""
    people: dict[bytes, list[tuple[int, bytes, str, int]]] = defaultdict(list)
    for event in log.events.values():
        if event.name in _KINDS:
            v = event.values
            people[v["subject_id"]].append((v["occurred_at"], v["event_id"], event.name, v["domicile"]))
    for history in people.values():
        history.sort()
    return people


def _village_changes(
    people: Mapping[bytes, list[tuple[int, bytes, str, int]]],
) -> Iterator[tuple[int, dt.date, Change]]:
    for history in people.values():
        active, home = False, 0
        for at, _, name, village in history:
            was_active, old_home = active, home
            if name == "Activated":
                active, home = True, village
            elif name == "Deactivated":
                active = False
            elif name == "SubjectArrived":
                home = village
            elif home == village:
                home = 0
            yield from _differences(wib_day(at), was_active, old_home, active, home)


def _differences(
    day: dt.date, was_active: bool, old_home: int, active: bool, home: int
) -> Iterator[tuple[int, dt.date, Change]]:
    if old_home == home:
        if home and active and not was_active:
            yield home, day, Change(1, activated=1)
        if home and was_active and not active:
            yield home, day, Change(-1, deactivated=1)
        return
    if old_home and was_active:
        yield old_home, day, Change(-1, moved_out=1)
    if home and active:
        yield home, day, Change(1, moved_in=1) if was_active else Change(1, activated=1)


def count_service(log: Log) -> dict[RegionDay, Counter[str]]:
    """Events by office region and day, by what they are."""
    out: dict[RegionDay, Counter[str]] = defaultdict(Counter)
    for name, values in _activations(log):
        office, home = values["service_region"], values["domicile"]
        counts = out[office, wib_day(values["occurred_at"])]
        counts["events"] += 1
        if name in _SERVICE:
            counts[_SERVICE[name]] += 1
        inside = str(home).startswith(str(office)[:4]) or office == 0
        counts["outsiders_activated"] += name == "Activated" and not inside
    return dict(out)


_SERVICE = {
    "ActivationRegistered": "registered",
    "QrVerified": "verified",
    "Activated": "activated",
    "AttemptFailed": "failed",
}
_RATES = {
    "ActivationRegistered": "registered",
    "Activated": "activated",
    "AttemptFailed": "failed",
    "Deactivated": "deactivated",
}


def count_rates(log: Log) -> dict[RegionDay, Counter[str]]:
    """Events by region of domicile, villages and everything above them, and day, by what they are."""
    of_villages: dict[RegionDay, Counter[str]] = defaultdict(Counter)
    for name, values in _activations(log):
        of_villages[values["domicile"], wib_day(values["occurred_at"])][name] += 1
    out: dict[RegionDay, Counter[str]] = defaultdict(Counter)
    for (village, day), names in of_villages.items():
        for region in {village, village // 10**4, village // 10**6, village // 10**8, 0}:
            counts = out[region, day]
            for name, count in names.items():
                counts["events"] += count
                if name in _RATES:
                    counts[_RATES[name]] += count
    return dict(out)


_OF_ACTIVATION = frozenset(name for name, each in catalogue.EVENTS.items() if each.topic == catalogue.ACTIVATION)


def _activations(log: Log) -> Iterator[tuple[str, dict[str, Any]]]:
    for event in log.events.values():
        if event.name in _OF_ACTIVATION:
            yield event.name, event.values


@dataclass(frozen=True)
class Stage:
    """How far a person has come, in one of the villages and on one of the days in which they registered or were
    activated. `counts`: they entered there and then. Times in ms; None: it did not happen. `kept`: active 30 days after
    the first activation. `events`: how many it follows from."""

    subject: bytes
    counts: bool
    entered: int
    firsts: tuple[int | None, ...]  # registered, face verified, QR verified, activated, used
    kept: bool
    events: int


_STEPS = ("ActivationRegistered", "FaceVerified", "QrVerified", "Activated", "FirstUsed")
_KEPT_MS = 30 * DAY_MS


def count_stages(log: Log) -> dict[RegionDay, list[Stage]]:
    """People by village and day, each by how far they have come."""
    people: dict[bytes, list[tuple[int, bytes, str, int]]] = defaultdict(list)
    for name, v in _activations(log):
        if name in _STEPS or name == "Deactivated":
            people[v["subject_id"]].append((v["occurred_at"], v["event_id"], name, v["domicile"]))
    out: dict[RegionDay, list[Stage]] = defaultdict(list)
    for subject, history in people.items():
        for place, stage in _stages(subject, sorted(history)):
            out[place].append(stage)
    return dict(out)


def _stages(subject: bytes, history: list[tuple[int, bytes, str, int]]) -> Iterator[tuple[RegionDay, Stage]]:
    firsts: dict[str, tuple[int, int]] = {}
    for at, _, name, village in history:
        firsts.setdefault(name, (at, village))
    entry = firsts.get("ActivationRegistered") or firsts.get("Activated")
    if entry is None:
        return
    times = tuple(firsts[name][0] if name in firsts else None for name in _STEPS)
    kept = "Activated" in firsts and _kept(history, firsts["Activated"][0])
    named = {(v, wib_day(at)) for at, _, name, v in history if name in ("ActivationRegistered", "Activated")}
    for place in named:
        counts = place == (entry[1], wib_day(entry[0]))
        yield place, Stage(subject, counts, entry[0], times, kept, len(history))


def _kept(history: list[tuple[int, bytes, str, int]], activated: int) -> bool:
    by_then = [name for at, _, name, _ in history if at <= activated + _KEPT_MS]
    return [name for name in by_then if name in ("Activated", "Deactivated")][-1] == "Activated"


@dataclass
class Spoken:
    """When a source first and last reported of a region, and up to when it has sent everything; ms."""

    first_at: int
    reported_at: int
    complete_until: int


def count_sources(log: Log) -> dict[tuple[int, str], Spoken]:
    """By region and source."""
    out: dict[tuple[int, str], Spoken] = {}
    for event in log.events.values():
        if event.name == "SourceReported":
            v = event.values
            for region in v["regions"]:
                spoken = out.setdefault((region, v["source"]), Spoken(v["occurred_at"], v["occurred_at"], 0))
                spoken.first_at = min(spoken.first_at, v["occurred_at"])
                spoken.reported_at = max(spoken.reported_at, v["occurred_at"])
                spoken.complete_until = max(spoken.complete_until, v["complete_until"])
    return out
