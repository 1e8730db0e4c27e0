"""What the provinces were passed on, against the log: by the plain consumer and the record-wise codec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from cakupan.settings import Settings
from events import codec, rules
from events.catalogue import ACTIVATION, OUTREACH
from events.errors import ContractError
from events.provinces import name_of
from streams.log_reader import LogReader
from tests.chaos.measure import Verdict, log_ends

SOURCES = (ACTIVATION, OUTREACH)
PLACE = "cakupan_offset"
TOLD = 5

Place = tuple[str, int]  # topic, partition
Copy = tuple[int, bytes, bytes]  # offset in the log, key, value


@dataclass
class Copies:
    """`repeated`: deliveries of what was delivered before, which are allowed. `passed`: all others."""

    verdict: Verdict = field(default_factory=Verdict)
    passed: int = 0
    repeated: int = 0


def behind(settings: Settings) -> Mapping[Any, int]:
    """How many records each partition of the fan-out's place lacks of the present end of the log; empty: none."""
    ends = {place: end for place, end in log_ends(settings.kafka_bootstrap).items() if place[0] in SOURCES}
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka_bootstrap, "group.id": settings.fanout_group, "log_level": 0}
    )
    try:
        committed = consumer.committed([TopicPartition(*place) for place in ends], timeout=30)
    finally:
        consumer.close()
    at = {(each.topic, each.partition): max(each.offset, 0) for each in committed}
    return {("fan-out", *place): end - at[place] for place, end in ends.items() if at[place] < end}


def compare(settings: Settings, provinces: Iterable[int]) -> Copies:
    """Each province has every record of the log that is for it, byte for byte, in the log's order, and no other."""
    copies = Copies()
    with LogReader(settings.kafka_bootstrap, "chaos-copies", 0.05) as reader:
        for topic in SOURCES:
            log = _held(reader, topic)
            about = {place: [(each, _provinces(each)) for each in messages] for place, messages in log.items()}
            for province in provinces:
                own = _held(reader, name_of(topic, province))
                for (_, partition), records in about.items():
                    want = [_copy(each) for each, places in records if places & {0, province}]
                    got = own.get((name_of(topic, province), partition), [])
                    _compare(copies, f"{name_of(topic, province)}/{partition}", (topic, partition), want, got)
    return copies


def _held(reader: LogReader, topic: str) -> dict[Place, list[Any]]:
    return reader.read({(topic, each): (0, end) for each, end in reader.heads(topic).items()})


def _provinces(message: Any) -> set[int]:
    """Whom a record of the log is for; 0: everybody. Nobody, where it is no event of its topic."""
    try:
        found = codec.decode(message.value(), message.topic())
        rules.check(found.values, message.timestamp()[1])
    except ContractError:
        return set()
    if found.type.name == "SubjectErased":
        return {0}
    values = found.values
    named = (
        [values["service_region"]] if message.topic() == OUTREACH else [values["domicile"], values.get("counterpart")]
    )
    return {int(str(each)[:2]) for each in named if each is not None}


def _copy(message: Any) -> Copy:
    return message.offset(), message.key(), message.value()


def _compare(copies: Copies, name: str, source: Place, want: list[Copy], got: list[Any]) -> None:
    """One partition of one province's topic; what is lost is counted, what else is wrong is told."""
    first: dict[int, Copy] = {}
    wrong = copies.verdict.wrong
    for message in got:
        topic, partition, offset = dict(message.headers())[PLACE].decode().split("/")
        copy = int(offset), message.key(), message.value()
        if (topic, int(partition)) != source:
            wrong.append(f"{name}: a record of {topic}/{partition} is in it")
        elif first.setdefault(copy[0], copy) != copy:
            wrong.append(f"{name}: offset {offset} was passed on with other bytes")
    copies.passed += len(first)
    copies.repeated += len(got) - len(first)
    if list(first) != sorted(first):
        wrong.append(f"{name}: not in the order of the log")
    wanted = {each[0]: each for each in want}
    copies.verdict.lost += len(wanted.keys() - first.keys())
    for offset in sorted(first.keys() - wanted.keys())[:TOLD]:
        wrong.append(f"{name}: offset {offset} is not for this province")
    for offset in sorted(wanted.keys() & first.keys()):
        if wanted[offset] != first[offset]:
            wrong.append(f"{name}: offset {offset} has other bytes than in the log")
