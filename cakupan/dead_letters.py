"""Refused records as work: found, read again from the log, sent again, or left out with a reason.

The bytes that are sent again are the original ones, from their place in the log, to the same topic with the same key.
They take the path that every record takes, so a mended rule, a schema or a region known since lets them in. Every
decision is an event of its own.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from events import codec, identity, rules
from events.blanking import blanked
from events.catalogue import EVENTS, TOPICS
from events.codec import Event
from events.errors import ContractError
from events.publisher import Publisher
from projections import dead_letters
from projections.clickhouse import Database
from projections.dead_letters import Letter
from streams.log_reader import LogReader

SOURCE = "cakupan-dead-letters"
SENT_AGAIN = "sent again"


class NoSuchLetter(ContractError):
    """No letter has this id or place."""


class Place(NamedTuple):
    """A record's place in the log."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class Original:
    """A refused record as it stands in the log."""

    key: bytes | None
    value: bytes | None
    arrived_ms: int


@dataclass(frozen=True)
class Attempt:
    """A letter that is to be sent again. `verdict`: why the present rules would refuse it; empty: they take it in."""

    letter: Letter
    original: Original
    verdict: str

    @property
    def held_back(self) -> bool:
        """What holds digits that look like a NIK, and would be refused again, is not written a second time."""
        return bool(self.verdict) and blanked(self.original.value) != self.original.value


@dataclass
class Retry:
    """What came of a retry. `gone`: letters whose record is not in the log."""

    attempts: list[Attempt] = field(default_factory=list)
    gone: list[Letter] = field(default_factory=list)

    @property
    def sendable(self) -> list[Attempt]:
        return [each for each in self.attempts if not each.held_back]

    @property
    def held_back(self) -> list[Attempt]:
        return [each for each in self.attempts if each.held_back]


def named(database: Database, name: str) -> Letter:
    """The letter with an id, or about TOPIC/PARTITION/OFFSET. Raises NoSuchLetter."""
    topic, slash, rest = name.partition("/")
    letter = _at(database, topic, rest) if slash else dead_letters.by_id(database, _id(name))
    if letter is None:
        raise NoSuchLetter("no dead letter has this id or place; see: cakupan dead-letters list")
    return letter


def read_originals(bootstrap: str, places: Sequence[Place]) -> dict[Place, Original]:
    """The records at these places, as far as they are there. Raises PublishError if Kafka is away."""
    by_partition: dict[tuple[str, int], list[int]] = defaultdict(list)
    for place in sorted(set(places)):
        by_partition[place[:2]].append(place.offset)
    found: dict[Place, Original] = {}
    with LogReader(bootstrap, "cakupan-dead-letters") as reader:
        for (topic, partition), offsets in by_partition.items():
            for message in itertools.chain.from_iterable(reader.records((topic, partition), offsets)):
                place = Place(topic, partition, message.offset())
                found[place] = Original(message.key(), message.value(), message.timestamp()[1])
    return found


def prepare(bootstrap: str, letters: Sequence[Letter]) -> Retry:
    """Read the originals and judge them by the present rules, as if they arrived now. Nothing is sent."""
    originals = read_originals(bootstrap, [_place(each) for each in letters])
    retry = Retry()
    for letter in letters:
        original = originals.get(_place(letter))
        if original is None:
            retry.gone.append(letter)
        else:
            retry.attempts.append(Attempt(letter, original, _verdict(letter.topic, original.value)))
    return retry


def send_again(bootstrap: str, attempts: Sequence[Attempt], reason: str = SENT_AGAIN) -> int:
    """Send them, and then note the decisions with the new places. Raises PublishError.

    Cut short between the two, nothing is lost: sent twice is one event, and the letter is open still.
    """
    sent: dict[int, tuple[int, int]] = {}
    with Publisher(bootstrap) as publisher:
        for index, each in enumerate(attempts):
            publisher.send(each.letter.topic, each.original.key, each.original.value, _noting(sent, index))
        publisher.flush()
        for index, each in enumerate(attempts):
            publisher.publish(settled(each.letter, "retried", reason, sent[index]))
    return len(sent)


def discard(bootstrap: str, letters: Sequence[Letter], reason: str) -> int:
    """Note that these stay out, and why. Raises ContractError for a reason that can't be kept, PublishError."""
    check_reason(reason)
    with Publisher(bootstrap) as publisher:
        for each in letters:
            publisher.publish(settled(each, "discarded", reason))
    return len(letters)


def settled(letter: Letter, decision: str, reason: str, sent: tuple[int, int] | None = None) -> Event:
    """The event that says what was decided."""
    now = time.time_ns() // 1_000_000
    return Event(
        EVENTS["RefusalSettled"],
        {
            "event_id": identity.new_event_id(now),
            "occurred_at": now,
            "recorded_at": now,
            "source": SOURCE,
            "service_region": 0,
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "decision": decision,
            "reason": reason,
            "sent_partition": sent[0] if sent else None,
            "sent_offset": sent[1] if sent else None,
            "origin_partition": letter.origin[0],
            "origin_offset": letter.origin[1],
        },
    )


def check_reason(reason: str) -> None:
    """Raises ContractError, which never repeats it."""
    if not reason.strip():
        raise ContractError("--reason: say why, such as 'test data of the office'")
    if rules.looks_like_nik(reason):
        raise ContractError(f"--reason: {rules.LOOKS_LIKE_NIK}")
    if len(reason) > rules.LONGEST_TEXT:
        raise ContractError(f"--reason: {rules.TOO_LONG}")


def _verdict(topic: str, value: bytes | None) -> str:
    decoded = codec.decode_batch(topic, [value], [time.time_ns() // 1_000_000])
    return decoded.refused[0].reason if decoded.refused else ""


def _noting(sent: dict[int, tuple[int, int]], index: int) -> Callable[[int, int], None]:
    def note(partition: int, offset: int) -> None:
        sent[index] = partition, offset

    return note


def _place(letter: Letter) -> Place:
    return Place(letter.topic, letter.partition, letter.offset)


def _at(database: Database, topic: str, rest: str) -> Letter | None:
    partition, _, offset = rest.partition("/")
    if topic not in TOPICS or not (partition.isdigit() and offset.isdigit()):
        raise NoSuchLetter(
            f"a place is TOPIC/PARTITION/OFFSET, such as ikd.activation.v1/2/1234; topics are {', '.join(TOPICS)}"
        )
    return dead_letters.at_place(database, topic, int(partition), int(offset))


def _id(text: str) -> bytes:
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        raise NoSuchLetter(
            "a letter is named by its id, a UUID, or by TOPIC/PARTITION/OFFSET, such as ikd.activation.v1/2/1234"
        ) from None
