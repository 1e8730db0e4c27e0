"""The publisher: a thread that sends events without a pause and writes down what was acknowledged."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Producer

from events.publisher import PRODUCER
from tests.chaos.oracle import Fact
from tests.chaos.people import Message, People

TICK = 0.02
DUPLICATES, REMEMBERED = 0.08, 4000
MOST_AT_ONCE, MOST_UNANSWERED = 1000, 20_000


@dataclass
class Acknowledged:
    """What a log holds for certain: facts by event id, places of poisoned records, and how many records."""

    facts: dict[bytes, Fact] = field(default_factory=dict)
    poison: set[tuple[str, int, int]] = field(default_factory=set)
    records: int = 0


class Load:
    """Sends `rate` events a second, some of them twice, until `stop`. A record that failed is sent again."""

    def __init__(self, bootstrap: str, acknowledged: Acknowledged, seed: int, rate: int) -> None:
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self.acknowledged = acknowledged
        self.sent = 0
        self._bootstrap = bootstrap
        self._people = People(seed)
        self._random = random.Random(f"load {seed}")
        self._recent: deque[Message] = deque(maxlen=REMEMBERED)
        self._again: deque[Message] = deque()
        self._poison = 0
        self._rate = rate
        self._open = 0
        self._end = threading.Event()
        self._producer = self._new_producer()

    def start(self) -> None:
        self._thread.start()

    def poison(self, count: int) -> None:
        """Send so many bad records soon."""
        self._poison += count

    def stop(self, timeout: float = 180) -> None:
        """Send nothing new, and wait until all that was sent is acknowledged."""
        self._end.set()
        self._thread.join(timeout)
        if self._thread.is_alive() or self._open:
            raise RuntimeError(f"{self._open} records were not acknowledged within {timeout:g} s")

    def _run(self) -> None:
        began = time.monotonic()
        while not self._end.is_set():
            due = (time.monotonic() - began) * self._rate - self.sent
            for _ in range(min(int(due), MOST_AT_ONCE, MOST_UNANSWERED - self._open)):
                self._send(self._next())
            self._producer.poll(0)
            self._repeat()
            self._end.wait(TICK)
        while self._open:
            self._producer.flush(1)
            self._repeat()

    def _next(self) -> Message:
        if self._poison:
            self._poison -= 1
            return self._people.poison()
        if self._recent and self._random.random() < DUPLICATES:
            return self._random.choice(self._recent)
        message = self._people.next()
        self._recent.append(message)
        return message

    def _send(self, message: Message) -> None:
        self.sent += 1
        self._open += 1
        self._produce(message)

    def _repeat(self) -> None:
        while self._again:
            self._produce(self._again.popleft())

    def _produce(self, message: Message) -> None:
        def answered(error: Any, record: Any) -> None:
            if error is None:
                self._note(message, (record.topic(), record.partition(), record.offset()))
            else:
                self._again.append(message)

        while True:
            try:
                self._producer.produce(message.topic, message.value, message.key, on_delivery=answered)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _note(self, message: Message, place: tuple[str, int, int]) -> None:
        self._open -= 1
        self.acknowledged.records += 1
        if message.fact is None:
            self.acknowledged.poison.add(place)
        else:
            self.acknowledged.facts[message.fact.event_id] = message.fact

    def _new_producer(self) -> Producer:
        patient = {**PRODUCER, "message.timeout.ms": 300_000, "log_level": 0}
        return Producer({**patient, "bootstrap.servers": self._bootstrap})
