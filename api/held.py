"""What is read into memory, and read again when the answers have moved on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from api.log_state import Standing

T = TypeVar("T")


class Held(Generic[T]):
    """What was read of the tables of a topic, for as long as neither the answers' place in it nor the tables change.

    So what it gives is never older than the position that an answer states. Repairs and rebuilt tables move no
    position: therefore the tables themselves are looked at too.
    """

    def __init__(self, read: Callable[[], T], topic: str, tables: Sequence[str]) -> None:
        self._read = read
        self._topic = topic
        self._tables = tables
        self._lock = threading.Lock()
        self._held: tuple[T, Hashable, float] | None = None

    def at(self, standing: Standing) -> T:
        """At least what was there when the answers stood so. Raises DatabaseError."""
        if (ready := self.ready(standing)) is not None:
            return ready
        state = self._state(standing)
        with self._lock:
            if self._held is not None:
                found, read_of, read_at = self._held
                # What was read later holds as much, whatever has moved in between.
                if state == read_of or standing.seen_at <= read_at:
                    return found
            read_at = time.monotonic()
            found = self._read()
            self._held = found, state, read_at
            return found

    def ready(self, standing: Standing) -> T | None:
        """The same where nothing is to be read for it, else None."""
        if self._held is None:
            return None
        found, read_of, read_at = self._held
        return found if standing.seen_at <= read_at or self._state(standing) == read_of else None

    def _state(self, standing: Standing) -> Hashable:
        position = [(each.partition, each.next) for each in standing.place.taken if each.topic == self._topic]
        return tuple(position), standing.tables.mark(self._tables)
