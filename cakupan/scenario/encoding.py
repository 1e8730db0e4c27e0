"""From planned events to the bytes that a topic takes."""

from __future__ import annotations

from cakupan.scenario.world import Planned
from events.codec import encode
from events.publisher import key_of


def encoded(planned: Planned) -> tuple[str, bytes, bytes]:
    """Topic, key and framed Avro value of an event, in the version that its office writes."""
    event, version = planned
    values = event.values
    if version.filled:
        values = {name: value for name, value in values.items() if name not in version.filled}
    return event.type.topic, key_of(event), encode(event.type.name, values, version)
