"""What was handed out, acknowledged and committed, partition by partition. Knows nothing of Kafka or Faust.

The rule it keeps: what may be committed is the end of the longest acknowledged run from the start of reading. A batch
acknowledged early waits for those before it (Faust's own bookkeeping commits past them: its issue 606).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Partition(NamedTuple):
    """A topic and a partition's number; equal to Faust's and aiokafka's own pairs."""

    topic: str
    partition: int


class Delivery:
    """One batch in an agent's hands, from the moment it is handed out to its acknowledgement."""

    __slots__ = ("acknowledged", "delivered_at", "dropped", "last_offset", "memory", "partition")

    def __init__(self, partition: Partition, last_offset: int, memory: int, now: float) -> None:
        self.partition = partition
        self.last_offset = last_offset
        self.memory = memory
        self.delivered_at = now
        self.acknowledged = False
        self.dropped = False


@dataclass(frozen=True)
class PartitionProgress:
    """One assigned partition, seen from outside. Offsets are those of the *next* record, as Kafka counts.

    `position`: behind the last record handed out. `acknowledged`: everything before it is acknowledged.
    `committed`: what the group would resume from (None: nothing yet). `lag`: records published and not acknowledged.
    The three durations are seconds, 0.0 when all is well: the oldest unacknowledged batch is that old; something
    acknowledged has waited that long for its commit; records have been waiting that long with none handed out.
    """

    topic: str
    partition: int
    position: int
    acknowledged: int
    committed: int | None
    committed_at: float | None
    high_watermark: int | None
    lag: int | None
    in_flight: int
    gaps: int
    unacknowledged_for: float
    uncommitted_for: float
    starved_for: float


@dataclass
class _State:
    position: int
    committed: int | None
    moved_at: float
    acknowledged: int = 0
    high_watermark: int | None = None
    committed_at: float | None = None
    pending_since: float | None = None
    waiting_since: float | None = None
    gaps: int = 0
    in_flight: deque[Delivery] = field(default_factory=deque)


GapCallback = Callable[[Partition, int, int], None]


class Ledger:
    """The bookkeeping of one consumer. Every method may be called from any thread."""

    def __init__(self, on_gap: GapCallback = lambda *_: None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`on_gap(partition, expected, got)` hears of every batch that does not follow the one before it."""
        self._on_gap = on_gap
        self._clock = clock
        self._lock = threading.RLock()
        self._states: dict[Partition, _State] = {}
        self.memory = 0
        self.epoch = 0
        self.ignored_acks = 0
        self.gaps = 0

    def start(self, starts: Mapping[Partition, tuple[int, int | None]]) -> None:
        """Begin reading each partition at (position, committed offset); what was in flight there is forgotten."""
        with self._lock:
            self.drop(starts)
            for partition, (position, committed) in starts.items():
                state = _State(position, committed, self._clock(), acknowledged=position)
                self._states[Partition(*partition)] = state

    def drop(self, partitions: Collection[Partition]) -> None:
        """Forget partitions: an acknowledgement that arrives later is ignored, nothing of them is committed."""
        with self._lock:
            self.epoch += 1
            for partition in partitions:
                state = self._states.pop(Partition(*partition), None)
                for delivery in state.in_flight if state else ():
                    self._release(delivery)
                    delivery.dropped = True

    def deliver(
        self, partition: Partition, first: int, last: int, *, count: int, memory: int, high_watermark: int | None = None
    ) -> Delivery | None:
        """Note a batch handed out. None: the partition is not ours (any more), so the batch must not be handed out."""
        with self._lock:
            state = self._states.get(Partition(*partition))
            if state is None:
                return None
            if first != state.position:
                self._gap(state, partition, state.position, first)
            if last - first + 1 != count:
                self._gap(state, partition, first + count, last + 1)
            now = self._clock()
            state.position, state.moved_at, state.waiting_since = last + 1, now, None
            self._note_end(state, high_watermark)
            delivery = Delivery(Partition(*partition), last, memory, now)
            state.in_flight.append(delivery)
            self.memory += memory
            return delivery

    def reached(self, positions: Mapping[Partition, int]) -> None:
        """Note that reading has passed offsets that hold no records: they go with the batch before them."""
        with self._lock:
            for partition, position in positions.items():
                state = self._states.get(Partition(*partition))
                if state is None or position <= state.position:
                    continue
                state.position, state.waiting_since = position, None
                self._note_end(state, state.high_watermark)
                if state.in_flight:
                    state.in_flight[-1].last_offset = position - 1
                    continue
                state.acknowledged = position
                state.pending_since = state.pending_since or self._clock()

    def release(self, delivery: Delivery) -> None:
        """The batch takes no memory any more, though it is not done yet."""
        with self._lock:
            if not delivery.dropped and not delivery.acknowledged:
                self.memory -= delivery.memory
                delivery.memory = 0

    def acknowledge(self, delivery: Delivery) -> bool:
        """Mark a batch as done, in any order. False: it was revoked meanwhile, or acknowledged before."""
        with self._lock:
            if delivery.acknowledged or delivery.dropped:
                self.ignored_acks += 1
                return False
            self._release(delivery)
            delivery.acknowledged = True
            self._advance(self._states[delivery.partition])
            return True

    def committable(self) -> dict[Partition, int]:
        """The offsets to commit now: where acknowledgement has moved on from what is committed."""
        with self._lock:
            return {
                partition: state.acknowledged
                for partition, state in self._states.items()
                if state.pending_since is not None
            }

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """Note offsets that the broker has taken. Those of partitions that were revoked meanwhile are ignored."""
        with self._lock:
            for partition, offset in offsets.items():
                state = self._states.get(Partition(*partition))
                if state is None or offset > state.acknowledged:
                    continue
                state.committed, state.committed_at = offset, time.time()
                state.pending_since = None if offset == state.acknowledged else self._clock()

    def ended(self, high_watermarks: Mapping[Partition, int]) -> None:
        """Note where partitions end now."""
        with self._lock:
            for partition, offset in high_watermarks.items():
                state = self._states.get(Partition(*partition))
                if state is not None:
                    self._note_end(state, offset)

    def unacknowledged(self) -> list[Delivery]:
        """The batches in agents' hands."""
        with self._lock:
            return [item for state in self._states.values() for item in state.in_flight if not item.acknowledged]

    def progress(self) -> list[PartitionProgress]:
        """Every assigned partition as it stands now, in order of topic and number."""
        with self._lock:
            return [self._progress(partition, state) for partition, state in sorted(self._states.items())]

    def _gap(self, state: _State, partition: Partition, expected: int, got: int) -> None:
        state.gaps += 1
        self.gaps += 1
        self._on_gap(partition, expected, got)

    def _release(self, delivery: Delivery) -> None:
        if not delivery.acknowledged:
            self.memory -= delivery.memory

    def _advance(self, state: _State) -> None:
        while state.in_flight and state.in_flight[0].acknowledged:
            state.acknowledged = state.in_flight.popleft().last_offset + 1
            state.pending_since = state.pending_since or self._clock()

    def _note_end(self, state: _State, high_watermark: int | None) -> None:
        if high_watermark is None:
            return
        # Two observers may report out of order; a truncated topic may really end earlier than it did.
        state.high_watermark = max(high_watermark, state.position)
        if state.high_watermark > state.position:
            state.waiting_since = state.waiting_since or self._clock()

    def _progress(self, partition: Partition, state: _State) -> PartitionProgress:
        now = self._clock()
        oldest = next((item.delivered_at for item in state.in_flight if not item.acknowledged), now)
        return PartitionProgress(
            topic=partition.topic,
            partition=partition.partition,
            position=state.position,
            acknowledged=state.acknowledged,
            committed=state.committed,
            committed_at=state.committed_at,
            high_watermark=state.high_watermark,
            lag=None if state.high_watermark is None else max(0, state.high_watermark - state.acknowledged),
            in_flight=sum(not item.acknowledged for item in state.in_flight),
            gaps=state.gaps,
            unacknowledged_for=now - oldest,
            uncommitted_for=now - (state.pending_since or now),
            starved_for=now - (state.waiting_since or now),
        )
