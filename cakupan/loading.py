"""Events into the running system: scenarios and files with progress, the log once more, waiting for the answers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from cakupan.reference import reference_events
from cakupan.report import Step
from cakupan.scenario import Planned, encoded
from events import codec
from events.publisher import Publisher
from projections import catalogue
from projections.clickhouse import Database
from projections.sql import query

TELL_EVERY = 2_000


def publish_reference(bootstrap: str) -> int:
    """Real denominators, targets and published figures. Publishing them again changes nothing."""
    with Publisher(bootstrap) as publisher:
        for event in reference_events():
            publisher.publish(event)
    return publisher.delivered


def publish_planned(bootstrap: str, planned: Iterable[Planned], step: Step) -> Counter[str]:
    """A scenario's events; returns how many of each type were acknowledged. Raises PublishError."""
    types: Counter[str] = Counter()
    with Publisher(bootstrap) as publisher:
        for count, each in enumerate(planned, 1):
            publisher.send(*encoded(each))
            types[each.event.type.name] += 1
            if count % TELL_EVERY == 0:
                step(count, None)
    return types


def take_in(database: Database, topic: str, messages: Sequence[Any], run: int) -> tuple[int, int]:
    """Messages of a consumer into the tables, as the worker takes them in; returns how many, and how many of them not.

    What is refused is in the dead letters since the worker met it. `run`: whose recompute it waits for.
    """
    values = [each.value() for each in messages]
    decoded = codec.decode_batch(topic, values, [each.timestamp()[1] for each in messages])
    if decoded.frames:
        catalogue.insert(database, topic, decoded.frames, run)
    return len(messages), len(decoded.refused)


def wait_until_taken_in(database: Database, step: Step, timeout: float = 600) -> bool:
    """Wait until the answers hold all that the log holds. False when nothing moved for `timeout` seconds."""
    last, moved = -1, time.monotonic()
    while time.monotonic() - moved < timeout:
        (row,) = database.rows(query("progress"))
        step(row["position"], row["head"])
        if row["fresh"] and row["position"] >= row["head"]:
            return True
        if row["position"] != last:
            last, moved = row["position"], time.monotonic()
        time.sleep(0.2)
    return False
