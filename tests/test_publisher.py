"""The publisher says what was not delivered, once, and goes on."""

from __future__ import annotations

import time
from typing import Any

import pytest

from events.catalogue import EVENTS, OURS, EventType, examples
from events.errors import PublishError
from events.jsonform import from_json
from events.publisher import Publisher, key_of


def test_a_failure_is_told_once_and_not_for_ever() -> None:
    event = from_json(examples(EVENTS["Activated"], EVENTS["Activated"].newest)[0], time.time_ns() // 1_000_000)
    impatient: dict[str, Any] = {"message.timeout.ms": 300}
    publisher = Publisher("127.0.0.1:9", timeout=10, **impatient)
    publisher.publish(event)
    with pytest.raises(PublishError, match=r"Kafka at 127\.0\.0\.1:9 \(CAKUPAN_KAFKA_BOOTSTRAP\)"):
        publisher.flush()
    publisher.flush()


@pytest.mark.parametrize("event", [e for e in EVENTS.values() if e.topic not in OURS], ids=lambda e: e.name)
def test_every_event_has_a_key(event: EventType) -> None:
    assert key_of(from_json(examples(event, event.newest)[0], time.time_ns() // 1_000_000))
