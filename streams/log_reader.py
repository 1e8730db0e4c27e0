"""Records of the log read once more, by a plain consumer: not the worker's."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from events.errors import PublishError

Place = tuple[str, int]  # topic, partition

PATIENCE = 60.0  # seconds without a record, while there are some, before Kafka counts as away


class LogReader:
    """Reads ranges of offsets. Joins no group, commits nothing. Every method raises PublishError if Kafka is away."""

    def __init__(self, bootstrap: str, name: str) -> None:
        """`name` shows in the broker's logs."""
        self._bootstrap = bootstrap
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": name,
                "group.id": name,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.queue.backoff.ms": 10,
                "queued.max.messages.kbytes": 16_384,
                "log_level": 0,
            }
        )

    def __enter__(self) -> LogReader:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def heads(self, topic: str) -> dict[int, int]:
        """By partition: the offset that the next record will have."""
        try:
            found = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
            return {
                each: self._consumer.get_watermark_offsets(TopicPartition(topic, each), timeout=10)[1] for each in found
            }
        except KafkaException as error:
            raise self._away(error.args[0].str()) from error

    def read(self, ranges: Mapping[Place, tuple[int, int]]) -> dict[Place, list[Any]]:
        """The messages of each range (first offset, offset behind the last), in order."""
        out: dict[Place, list[Any]] = defaultdict(list)
        waiting = {place for place, (first, end) in ranges.items() if first < end}
        self._consumer.assign([TopicPartition(*place, ranges[place][0]) for place in sorted(waiting)])
        patience = time.monotonic() + PATIENCE
        while waiting:
            messages = self._consumer.consume(10_000, timeout=0.5)
            if messages:
                patience = time.monotonic() + PATIENCE
            elif time.monotonic() > patience:
                raise self._away(f"no record for {PATIENCE:.0f} s")
            for message in messages:
                place = message.topic(), message.partition()
                if (error := message.error()) is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise self._away(error.str())
                    waiting.discard(place)
                    continue
                end = ranges[place][1]
                if message.offset() < end:
                    out[place].append(message)
                if message.offset() + 1 >= end:
                    waiting.discard(place)
        self._consumer.unassign()
        return out

    def _away(self, said: str) -> PublishError:
        return PublishError(f"Kafka at {self._bootstrap} (CAKUPAN_KAFKA_BOOTSTRAP) does not answer: {said}")
