"""How far the answers have come in the log, written where the API reads it."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from projections import position
from projections.clickhouse import Database
from streams.batch import Batch
from streams.ledger import PartitionProgress
from streams.metrics import METRICS


@dataclass
class _Place:
    position: int
    record_ms: int


class Positions:
    """The next offset of each assigned partition that is not yet in the answers, and when the worker last looked."""

    def __init__(self, database: Database, progress: Callable[[], list[PartitionProgress]]) -> None:
        self._database = database
        self._progress = progress
        self._places: dict[tuple[str, int], _Place] = {}
        self._lock = threading.Lock()

    def note(self, batches: Sequence[Batch]) -> None:
        """These batches are in the answers now. Raises DatabaseError."""
        with self._lock:
            for batch in sorted(batches, key=lambda each: each.last_offset):  # they may have been inserted in any order
                self._places[batch.topic, batch.partition] = _Place(batch.last_offset + 1, batch.newest)
        self.tell()

    def tell(self) -> None:
        """Write where every assigned partition stands, idle ones too. Raises DatabaseError."""
        now = dt.datetime.now(dt.UTC)
        rows = [self._row(each, now) for each in self._progress()]
        if rows:
            position.write(self._database, rows)

    def _row(self, progress: PartitionProgress, now: dt.datetime) -> position.Row:
        labels = (progress.topic, str(progress.partition))
        with self._lock:
            place = self._places.get((progress.topic, progress.partition))
        # Nothing taken in since the assignment: what was committed before is in the answers.
        at = max(place.position if place else 0, progress.committed or 0)
        head = max(progress.high_watermark or 0, at)
        METRICS.position.labels(*labels).set(at)
        METRICS.lag.labels(*labels).set(head - at)
        METRICS.committed.labels(*labels).set(progress.committed or 0)
        METRICS.uncommitted.labels(*labels).set(progress.uncommitted_for)
        METRICS.starved.labels(*labels).set(progress.starved_for)
        record_at = dt.datetime.fromtimestamp(place.record_ms / 1000, dt.UTC) if place else now
        return position.Row(progress.topic, progress.partition, at, head, record_at, now)
