"""Events into Kafka, each acknowledged by every in-sync replica before it counts as sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from events import catalogue, codec
from events.codec import Event
from events.errors import PublishError

# acks=all and idempotence: what is acknowledged is there, in order, once. lz4: half the bytes at little cost.
PRODUCER: dict[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "lz4",
    "linger.ms": 5,
    "batch.num.messages": 20_000,
    "queue.buffering.max.messages": 200_000,
    "queue.buffering.max.kbytes": 131_072,
    "message.timeout.ms": 120_000,
}

# For those whose records come from a log that they can read again: they begin anew where these were not taken in time.
# Acknowledgements are not counted, since a call for each costs as much as handing the record over.
AGAIN: dict[str, Any] = {"message.timeout.ms": 20_000, "delivery.report.only.error": True}

BY_KEY = -1  # the partition that a key's hash gives
DISCARD_SECONDS = 1.0

_KEY_FIELD = {
    catalogue.ACTIVATION: "subject_id",
    catalogue.OUTREACH: "outreach_id",
    catalogue.REFERENCE: "region",
    catalogue.HEARTBEAT: "source",
    catalogue.DEAD_LETTER: "topic",
    catalogue.COVERAGE: "region",
    catalogue.ALERT: "region",
}


def key_of(event: Event) -> bytes:
    """The record's key: events of one person, one activity, one region, one source stay in order."""
    value = event.values.get(_KEY_FIELD[event.type.topic], event.values["event_id"])
    return value if isinstance(value, bytes) else str(value).encode()


class Publisher:
    """Sends events; leaving the `with` block waits until every one is acknowledged.

    Raises PublishError as soon as one could not be delivered, and when the broker does not answer within
    `timeout` seconds at the end. `on_delivered(count)` is called as acknowledgements come in.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        timeout: float = 60,
        on_delivered: Callable[[int], None] = lambda _: None,
        **settings: Any,
    ) -> None:
        self.bootstrap = bootstrap
        self.name = f"Kafka at {bootstrap} (CAKUPAN_KAFKA_BOOTSTRAP)"
        self.sent = 0
        self.delivered = 0
        self._timeout = timeout
        self._on_delivered = on_delivered
        self._failure: KafkaError | None = None
        self._unreachable = ""
        options = {**PRODUCER, "bootstrap.servers": bootstrap, "error_cb": self._on_error, **settings}
        self._producer = Producer(options, logger=_Quiet())

    def publish(self, event: Event) -> None:
        """Hand one event over, in its newest version; it is sent in the background. Waits while the buffer is full."""
        self.send(event.type.topic, key_of(event), codec.encode(event.type.name, event.values))

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        on_place: Callable[[int, int], None] | None = None,
        *,
        partition: int = BY_KEY,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Hand over a record as it stands. `on_place` hears of its partition and offset once it is acknowledged."""
        delivered = self._delivered if on_place is None else self._and_tell(on_place)
        while True:
            self._check()
            try:
                self._producer.produce(topic, value, key, partition, delivered, headers=list(headers))
                break
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise PublishError(f"{self.name} refuses topic {topic}: {error.args[0].str()}") from error
        self.sent += 1
        if self.sent % 1000 == 0:
            self._producer.poll(0)

    def flush(self) -> None:
        """Wait until everything handed over is acknowledged."""
        left = self._producer.flush(self._timeout)
        self._check()
        if left:
            why = f" ({self._unreachable})" if self._unreachable else ""
            raise PublishError(
                f"{self.name} did not acknowledge {left} of {self.sent} events within {self._timeout:g} s{why}"
            )

    def discard(self) -> None:
        """Let go of what is not acknowledged: it may have arrived all the same."""
        self._producer.purge()
        self._producer.flush(DISCARD_SECONDS)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush()
        else:
            self.discard()

    def _delivered(self, error: KafkaError | None, _: Any) -> None:
        if error is not None:
            self._failure = self._failure or error
            return
        self.delivered += 1
        self._on_delivered(1)

    def _and_tell(self, on_place: Callable[[int, int], None]) -> Callable[[KafkaError | None, Any], None]:
        def delivered(error: KafkaError | None, message: Any) -> None:
            self._delivered(error, message)
            if error is None:
                on_place(message.partition(), message.offset())

        return delivered

    def _on_error(self, error: KafkaError) -> None:
        self._unreachable = error.str()

    def _check(self) -> None:
        # Told once: whoever then sends again what was not acknowledged, as a worker does, gets an answer of its own.
        failure, self._failure = self._failure, None
        if failure is not None:
            unknown = failure.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
            hint = "; is the topic there? run: cakupan topics apply" if unknown else ""
            raise PublishError(f"{self.name} refused an event: {failure.str()}{hint}")


class _Quiet:
    """librdkafka's own log lines repeat what the error callback says."""

    def log(self, *_: Any) -> None: ...

    debug = info = warning = error = critical = log
