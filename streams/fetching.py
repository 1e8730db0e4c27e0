"""Takes bounded batches out of what aiokafka has fetched, without a Python object a record made by hand.

aiokafka hands out records one by one (a generator and a dataclass each), and one partition's fetch to its end before
the next partition's. Here whole record batches are unpacked in C, a partition gives one batch a turn, and a turn is
bounded in records and in bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import accumulate
from typing import Any, NamedTuple, cast

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.errors import CorruptRecordException

from streams.batch import Batch, Record
from streams.ledger import Partition


class Cursor:
    """A place in one partition's fetch response, which may be within a record batch.

    It stands where aiokafka's PartitionRecords keeps its own iterator, so that both go together, and holds no reference
    to it: a cycle would keep megabytes until the garbage collector comes.
    """

    def __init__(self, after: int) -> None:
        """`after`: the offset behind the record batch read last."""
        self._pending: list[Record] = []
        self._after = after

    @staticmethod
    def of(source: Any) -> Cursor:
        """The cursor of a PartitionRecords."""
        if not isinstance(source._records_iterator, Cursor):
            source._records_iterator = Cursor(source.next_fetch_offset)
        return cast(Cursor, source._records_iterator)

    def exhausted(self, source: Any) -> bool:
        """Nothing is left to take."""
        return not self._pending and not source._records.has_next()

    def take(self, source: Any, max_records: int, max_bytes: int) -> tuple[list[Record], int]:
        """Up to `max_records` records of up to `max_bytes`, at least one if there is any; and their bytes."""
        taken: list[Record] = []
        size = 0
        while len(taken) < max_records and self._fill(source):
            chunk, chunk_size = _cut(self._pending, max_records - len(taken), max_bytes - size, force=not taken)
            if not chunk:
                break
            taken += chunk
            size += chunk_size
            del self._pending[: len(chunk)]
            # Behind the whole record batch, which compaction may have made longer than its last record.
            source.next_fetch_offset = chunk[-1].offset + 1 if self._pending else self._after
        return taken, size

    def _fill(self, source: Any) -> bool:
        while not self._pending and source._records.has_next():
            batch = source._records.next_batch()
            self._pending = _unpack(source, batch)
            self._after = batch.next_offset
            if not self._pending:
                source.next_fetch_offset = self._after
        return bool(self._pending)


def _unpack(source: Any, batch: Any) -> list[Record]:
    if source._check_crcs and not batch.validate_crc():
        raise CorruptRecordException(f"Invalid CRC - {source._tp}")
    if _aborted(source, batch) or batch.is_control_batch:
        return []
    records: list[Record] = list(batch)
    if records and records[0].offset < source.next_fetch_offset:
        # A fetch from the middle of a record batch brings the whole of it.
        return [record for record in records if record.offset >= source.next_fetch_offset]
    return records


def _aborted(source: Any, batch: Any) -> bool:
    """Whether an aborted transaction wrote the batch; keeps aiokafka's own list of them up to date."""
    if source._isolation_level != READ_COMMITTED or batch.producer_id is None:
        return False
    source._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch:
        if source._contains_abort_marker(batch):
            source._aborted_producers.discard(batch.producer_id)
        return False
    return bool(batch.is_transactional and batch.producer_id in source._aborted_producers)


class Turn(NamedTuple):
    """What one turn brought: batches, and the positions of partitions that stand behind offsets without a record."""

    batches: list[Batch]
    passed: dict[Partition, int]


class Drain:
    """Takes turns over the partitions that one aiokafka fetcher has records of."""

    def __init__(self, *, max_records: int, max_bytes: int) -> None:
        """A batch has at most `max_records` records and `max_bytes` bytes of payload (but one record always)."""
        self._max_records = max_records
        self._max_bytes = max_bytes

    def turn(self, fetcher: Any, wanted: Collection[Partition], budget: int) -> Turn:
        """One batch of each wanted partition that has records, until they take `budget` bytes of memory.

        Raises what the broker answered for a partition, once every good record before it has been handed out.
        """
        turn = Turn([], {})
        for tp in list(fetcher._records):
            if budget <= 0:
                break
            if tp not in wanted:
                _forget_unassigned(fetcher, tp)
                continue
            result = fetcher._records[tp]
            if not isinstance(result, FetchResult):
                if turn.batches:
                    break
                _pop(fetcher, tp)
                result.check_raise()
                continue
            if result.check_assignment(tp):
                budget -= self._take(fetcher, tp, result, turn)
            else:
                # Sought elsewhere since it was fetched: aiokafka fetches anew from there.
                _pop(fetcher, tp)
        return turn

    def _take(self, fetcher: Any, tp: Any, result: Any, turn: Turn) -> int:
        source = result._partition_records
        cursor = Cursor.of(source)
        records, size = cursor.take(source, self._max_records, self._max_bytes)
        result._update_position()
        if cursor.exhausted(source):
            _pop(fetcher, tp)
        else:
            # The next turn begins with the other partitions.
            fetcher._records.move_to_end(tp)
        if not records or records[-1].offset + 1 < source.next_fetch_offset:
            turn.passed[Partition(*tp)] = source.next_fetch_offset
        if not records:
            return 0
        end = result._assignment.state_value(tp).highwater
        batch = Batch(tp.topic, tp.partition, records[0].offset, records[-1].offset, records, size, end)
        turn.batches.append(batch)
        return batch.memory


def _cut(records: list[Record], max_records: int, max_bytes: int, *, force: bool) -> tuple[list[Record], int]:
    """The longest head of `records` within both bounds (with `force` at least one record), and its bytes."""
    chunk = records[:max_records]
    sizes = [len(record.value or b"") + len(record.key or b"") for record in chunk]
    total = sum(sizes)
    if total <= max_bytes:
        return chunk, total
    fitting = sum(1 for _ in _within(accumulate(sizes), max_bytes))
    fitting = max(fitting, 1) if force else fitting
    return chunk[:fitting], sum(sizes[:fitting])


def _within(totals: Iterator[int], limit: int) -> Iterator[int]:
    for total in totals:
        if total > limit:
            return
        yield total


def _forget_unassigned(fetcher: Any, tp: Any) -> None:
    if not fetcher._subscriptions.is_assigned(tp):
        del fetcher._records[tp]


def _pop(fetcher: Any, tp: Any) -> None:
    """Let aiokafka fetch the partition again, now."""
    del fetcher._records[tp]
    fetcher._notify(fetcher._wait_consume_future)
