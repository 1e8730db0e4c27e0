"""Kafka for whoever is neither worker nor publisher: a plain consumer, and whether there is a broker at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient

from events.errors import PublishError


def plain_consumer(bootstrap: str, name: str, **more: Any) -> Consumer:
    """A consumer that joins no group and commits nothing. `name` shows in the broker's logs; `more`: its settings."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "client.id": name,
            "group.id": name,  # never joined, never committed
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            # At its default of a second, librdkafka pauses that long whenever a queue was full.
            "fetch.queue.backoff.ms": 10,
            "log_level": 0,
            **more,
        }
    )


@contextmanager
def reading(bootstrap: str, name: str) -> Iterator[Consumer]:
    """Such a consumer, closed at the end. Raises PublishError for what Kafka raises inside."""
    consumer = plain_consumer(bootstrap, name)
    try:
        with asking(bootstrap):
            yield consumer
    finally:
        consumer.close()


@contextmanager
def asking(bootstrap: str) -> Iterator[None]:
    """Raises PublishError for what Kafka raises inside."""
    try:
        yield
    except KafkaException as error:
        raise away(bootstrap, error.args[0].str()) from error


def away(bootstrap: str, said: str) -> PublishError:
    """What to raise where Kafka does not answer."""
    return PublishError(f"Kafka at {bootstrap} (CAKUPAN_KAFKA_BOOTSTRAP) does not answer: {said}")


class KafkaProbe:
    """Called, it raises PublishError unless Kafka answers within `timeout` seconds."""

    def __init__(self, bootstrap: str, timeout: float = 2.0) -> None:
        self.bootstrap = bootstrap
        self.timeout = timeout

    def __call__(self) -> None:
        with asking(self.bootstrap):
            self._admin.list_topics(timeout=self.timeout)

    @cached_property
    def _admin(self) -> AdminClient:
        """Made when first asked: a worker that is well never needs one."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
