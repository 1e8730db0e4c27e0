"""A plain reader of feeds: from any position on, or from any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaError, TopicPartition

from events.errors import PublishError
from events.feed import BY_TOPIC, FEEDS, Place
from events.kafka import asking, away, plain_consumer

TIMEOUT = 5.0
FETCHED_KIB = 4096

# What ends by itself: a broker that is away comes back, and the reader goes on where it was.
_PASSES = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE})


class LogCut(PublishError):
    """The log does not hold what was to be read next: it was cut, or the place was never in it."""


class FeedReader:
    """Reads feeds of one Kafka. Joins no group, commits nothing. Methods raise PublishError; none is thread-safe.

    `at`: by place, the offset that is read next.
    """

    def __init__(self, bootstrap: str, name: str) -> None:
        """`name` shows in the broker's logs."""
        self.at: dict[Place, int] = {}
        self._bootstrap = bootstrap
        self._consumer = plain_consumer(
            bootstrap,
            name,
            **{"enable.partition.eof": True, "queued.max.messages.kbytes": FETCHED_KIB, "fetch.wait.max.ms": 100},
        )

    def __enter__(self) -> FeedReader:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def places(self, feeds: Iterable[str]) -> tuple[Place, ...]:
        """The partitions of these feeds, in order."""
        found: list[Place] = []
        for feed in feeds:
            with asking(self._bootstrap):
                topic = self._consumer.list_topics(FEEDS[feed], timeout=TIMEOUT).topics[FEEDS[feed]]
            if topic.error is not None:
                raise away(self._bootstrap, f"{FEEDS[feed]}: {topic.error.str()}; run: cakupan topics apply")
            found += [(feed, partition) for partition in sorted(topic.partitions)]
        return tuple(found)

    def bounds(self, places: Iterable[Place]) -> dict[Place, tuple[int, int]]:
        """By place: the first offset that is there, and the next that will be."""
        found = {}
        for place in places:
            with asking(self._bootstrap):
                found[place] = self._consumer.get_watermark_offsets(_kafkas(place), timeout=TIMEOUT)
        return found

    def first_since(self, places: Iterable[Place], at_ms: int) -> dict[Place, int | None]:
        """By place: the first offset that arrived at this time or later, epoch milliseconds; None: none did yet."""
        asked = [TopicPartition(FEEDS[feed], partition, at_ms) for feed, partition in places]
        with asking(self._bootstrap):
            answered = self._consumer.offsets_for_times(asked, timeout=TIMEOUT)
        return {(BY_TOPIC[e.topic], e.partition): e.offset if e.offset >= 0 else None for e in answered}

    def arrived_ms(self, place: Place, offset: int) -> int | None:
        """When the record at this offset arrived; None where there is none."""
        for message in self._one(place, offset):
            arrived: int = message.timestamp()[1]
            return arrived
        return None

    def start(self, at: Mapping[Place, int]) -> None:
        """Read from these offsets on, and nothing else."""
        self.at = dict(at)
        self._consumer.assign([_kafkas(place, offset) for place, offset in at.items()])

    def read(self, most: int, seconds: float) -> list[Any]:
        """The next messages, as soon as there is one, or none after so many seconds. Moves `at` on.

        Raises LogCut where the log does not go on there.
        """
        messages = self._consumer.consume(1, seconds)
        if messages:
            messages += self._consumer.consume(most - 1, 0)
        return [each for each in messages if self._moved(each)]

    def _moved(self, message: Any) -> bool:
        error = message.error()
        if error is not None and error.code() in _PASSES:
            return False
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise LogCut(f"Kafka at {self._bootstrap} can't be read on: {error.str()}")
        place = BY_TOPIC[message.topic()], message.partition()
        if place not in self.at:
            return False
        # The end is told with its offset: behind the last record there may be ones that were compacted away.
        self.at[place] = max(self.at[place], message.offset() + (error is None))
        return error is None

    def _one(self, place: Place, offset: int) -> list[Any]:
        before = self.at
        self.start({place: offset})
        messages: list[Any] = []
        while not messages and self.at[place] <= offset:
            moved = dict(self.at)
            messages = self.read(1, TIMEOUT)
            if not messages and moved == self.at:
                break
        self.start(before)
        return messages[:1]


def _kafkas(place: Place, offset: int = 0) -> TopicPartition:
    return TopicPartition(FEEDS[place[0]], place[1], offset)
