"""Records that can't be taken in: kept with topic, partition, offset, reason and bytes. They never hold up the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from events import identity
from events.blanking import blanked
from events.catalogue import DEAD_LETTER, EVENTS
from events.codec import Event, Refused
from events.publisher import Publisher
from events.rules import EARLIEST_MS
from streams.batch import Batch
from streams.runner import StopWorker

SOURCE = "cakupan-worker"


def letters(batches: Sequence[Batch], refused: Sequence[Refused]) -> Iterator[Event]:
    """A RecordRefused for each refused record; `refused` counts over all batches, one after the other.

    The same record always gets the same `event_id`: sent twice is one.
    """
    places = [(batch, record) for batch in batches for record in batch.records]
    for each in refused:
        batch, record = places[each.index]
        at = max(record.timestamp, EARLIEST_MS)
        yield Event(
            EVENTS["RecordRefused"],
            {
                "event_id": identity.derived_event_id(at, batch.topic, batch.partition, record.offset),
                "occurred_at": at,
                "recorded_at": at,
                "source": SOURCE,
                "service_region": 0,
                "topic": batch.topic,
                "partition": batch.partition,
                "offset": record.offset,
                "reason": each.reason,
                "record_key": blanked(record.key),
                "record_value": blanked(record.value),
            },
        )


def send(publisher: Publisher, events: Sequence[Event]) -> None:
    """Send and wait for the acknowledgements. Raises PublishError."""
    for event in events:
        publisher.publish(event)
    publisher.flush()


class Limit:
    """Stops the worker when too large a share of what comes in is refused: better to stand than to drain a topic.

    The share is taken over the last `window` records or more.
    """

    def __init__(self, ratio: float, window: int) -> None:
        self.ratio = ratio
        self.window = window
        self._batches: deque[tuple[int, int]] = deque()

    def check(self, topic: str, records: int, refused: int, reason: str) -> None:
        """Count what came in. Raises StopWorker before its letters are sent, so that nothing of it is acknowledged."""
        self._batches.append((records, refused))
        total, bad = (sum(column) for column in zip(*self._batches, strict=True))
        while total - self._batches[0][0] >= self.window:
            count, gone = self._batches.popleft()
            total, bad = total - count, bad - gone
        if total >= self.window and bad / total > self.ratio:
            raise StopWorker(
                f"{bad} of the last {total} records were refused, more than CAKUPAN_DEAD_LETTER_RATIO={self.ratio:g}"
                f" allows; the last one in {topic}: {reason}."
                " Nothing of this batch is committed. Mend the source,"
                f" or raise the setting to let them go to {DEAD_LETTER}."
            )
