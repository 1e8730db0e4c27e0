"""Records of the log read once more, by a plain consumer: not the worker's."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaError, TopicPartition

from events.kafka import asking, away, plain_consumer

Place = tuple[str, int]  # topic, partition
Stretch = tuple[Place, int, int]  # from which offset to before which

WAIT_SECONDS = 0.05
READ_THROUGH = 500  # records between two wanted ones that cost less to read than to seek over
MOST_AT_ONCE = 20_000
PATIENCE = 60.0  # seconds without a record, while there are some, before Kafka counts as away


def records_in(stretches: Iterable[Stretch]) -> int:
    """How many records they hold, as far as none is missing."""
    return sum(end - first for _, first, end in stretches)


class LogReader:
    """Reads ranges of offsets. Joins no group, commits nothing. Every method raises PublishError if Kafka is away."""

    def __init__(self, bootstrap: str, name: str, wait: float = WAIT_SECONDS) -> None:
        """`name` shows in the broker's logs. `wait`: seconds in which a fetch fills up, so what a short read costs."""
        self._bootstrap = bootstrap
        self._wait = wait
        self._consumer = plain_consumer(
            bootstrap,
            name,
            **{
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": 16_384,
                # At a partition's end the broker would hold on to a fetch for half a second, and the next one waits.
                "fetch.wait.max.ms": 10,
            },
        )

    def __enter__(self) -> LogReader:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def topics(self) -> set[str]:
        """Names of the topics that there are."""
        with asking(self._bootstrap):
            return set(self._consumer.list_topics(timeout=10).topics)

    def heads(self, topic: str) -> dict[int, int]:
        """By partition: the offset that the next record will have."""
        return {place[1]: end for place, (_, end) in self.all_bounds([topic]).items()}

    def all_bounds(self, topics: Iterable[str]) -> dict[Place, tuple[int, int]]:
        """The bounds of every partition of these topics."""
        return {place: self.bounds(place) for topic in topics for place in self._places(topic)}

    def read(self, ranges: Mapping[Place, tuple[int, int]]) -> dict[Place, list[Any]]:
        """The messages of each range (first offset, offset behind the last), in order."""
        return {
            place: [each for messages in self.stretch(place, first, end, MOST_AT_ONCE) for each in messages]
            for place, (first, end) in ranges.items()
        }

    def records(self, place: Place, offsets: Sequence[int]) -> Iterator[list[Any]]:
        """The messages at these offsets, in order, as far as they are there, in lists that are not too long."""
        low, high = self.bounds(place)
        for run in _runs(sorted(each for each in set(offsets) if low <= each < high)):
            wanted = set(run)
            yield [each for each in self.read({place: (run[0], run[-1] + 1)})[place] if each.offset() in wanted]

    def stretch(self, place: Place, first: int, end: int, most: int) -> Iterator[list[Any]]:
        """The messages of one partition from offset `first` to before `end`, in order, in lists of `most` at most.

        It ends with the log, where that ends before. The quickest way through much of it: a list of messages is looked
        at, not each of them.
        """
        if first >= end:
            return
        self._consumer.assign([TopicPartition(*place, first)])
        patience = time.monotonic() + PATIENCE
        while first < end:
            came = self._consumer.consume(min(most, end - first), timeout=self._wait)
            if not came:
                if time.monotonic() > patience:
                    raise away(self._bootstrap, f"no record for {PATIENCE:.0f} s")
                continue
            patience = time.monotonic() + PATIENCE
            messages = self._without_end(came)
            first = came[-1].offset() + 1 if len(messages) == len(came) else end
            if messages and messages[-1].offset() >= end:
                messages = [each for each in messages if each.offset() < end]
            if messages:
                yield messages
        self._consumer.unassign()

    def _without_end(self, came: list[Any]) -> list[Any]:
        """The messages among what came: that the partition ends is said as an error."""
        errors = [error for each in came if (error := each.error()) is not None]
        for error in errors:
            if error.code() != KafkaError._PARTITION_EOF:
                raise away(self._bootstrap, error.str())
        return [each for each in came if each.error() is None] if errors else came

    def through(self, stretches: Iterable[Stretch], most: int) -> Iterator[tuple[Place, list[Any]]]:
        """The messages of one stretch after the other, in lists of `most` at most."""
        for place, first, end in stretches:
            for messages in self.stretch(place, first, end, most):
                yield place, messages

    def whole(self, topic: str, slice_records: int) -> Iterator[list[Any]]:
        """All that a topic holds now, partition by partition, in lists of messages that are not too long."""
        for place, bounds in self.all_bounds([topic]).items():
            yield from self.stretch(place, *bounds, slice_records)

    def bounds(self, place: Place) -> tuple[int, int]:
        """The first offset that is there, and the next that will be."""
        with asking(self._bootstrap):
            low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=10)
        return low, high

    def _places(self, topic: str) -> list[Place]:
        with asking(self._bootstrap):
            return [(topic, each) for each in self._consumer.list_topics(topic, timeout=10).topics[topic].partitions]


def _runs(offsets: Sequence[int]) -> Iterator[list[int]]:
    """Ascending offsets in groups that are read through in one go."""
    run: list[int] = []
    for offset in offsets:
        if run and (offset - run[-1] > READ_THROUGH or offset - run[0] >= MOST_AT_ONCE):
            yield run
            run = []
        run.append(offset)
    if run:
        yield run
