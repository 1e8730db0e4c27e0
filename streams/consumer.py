"""The consumer of the batch transport: hands out batches, keeps the books in a ledger, commits in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import aiokafka
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    GroupAuthorizationFailedError,
    IllegalStateError,
    KafkaError,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from faust.types.tuples import ack_lock
from mode import Service
from mode.threads import WorkerThread

from streams.batch import Batch
from streams.fetching import Drain, Turn
from streams.ledger import Delivery, Ledger, Partition

log = logging.getLogger(__name__)
# Faust's classes log each of their steps; what they say goes under Faust's name, so that it is silenced with Faust.
FAUST_LOG = logging.getLogger("faust.worker")

GATHER_RECORDS = 1_000
GATHER_SECONDS = 0.05
REFUSED = (GroupAuthorizationFailedError, TopicAuthorizationFailedError)


@dataclass(frozen=True)
class TransportSettings:
    """Bounds and intervals of one worker. Sizes in bytes, times in seconds.

    `max_inflight_bytes`: memory of batches handed out and not acknowledged; no more are fetched beyond it (by at most
    one batch). `max_records`, `max_batch_bytes`: bounds of one batch. `fetch_max_bytes`, `partition_fetch_bytes`:
    bounds of one fetch, as compressed as the topic is. `fetch_max_wait`: how long the broker holds a fetch of an idle
    partition; it also is the longest that a busy partition waits for an idle one. `commit_interval`: from an
    acknowledgement to its commit. `stop_grace`: how long a stopping worker waits for batches in agents' hands.
    `end_interval`: how often the ends of the partitions are asked for, apart from fetching. `session_timeout`: after
    it the broker takes a member that it does not hear from for dead, and others get its partitions. One that dies
    while it waits to join is found after twice as long, for it is not looked at before the wait is over.
    """

    max_inflight_bytes: int = 128 * 1024 * 1024
    max_records: int = 20_000
    max_batch_bytes: int = 8 * 1024 * 1024
    fetch_max_bytes: int = 16 * 1024 * 1024
    partition_fetch_bytes: int = 1024 * 1024
    fetch_max_wait: float = 0.1
    commit_interval: float = 0.25
    stop_grace: float = 3.0
    end_interval: float = 5.0
    session_timeout: float = 10.0
    heartbeat_interval: float = 2.0
    request_timeout: float = 40.0
    check_crcs: bool = True


class BatchMessage(ConsumerMessage):  # type: ignore[misc]
    """A Faust message that knows its entry in the ledger."""

    __slots__ = ("delivery",)

    delivery: Delivery


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """Hands out batches, and keeps the books in a ledger instead of Faust's lists of offsets."""

    logger = FAUST_LOG

    _thread: BatchConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ledger: Ledger = self.app.ledger
        self.settings: TransportSettings = self.app.settings
        self._room = asyncio.Event()
        self._gather_until = 0.0
        self._commit_lock = asyncio.Lock()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- Handing out

    async def _drain_messages(self, fetcher: Any) -> None:
        """Faust's loop without its list of gaps and without its silent drop of messages that it deems read."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                async for _, message in self.getmany(timeout=1.0):
                    await self.wait_first(self.callback(message), self.suspend_flow.wait())
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:
        """Yield a batch a partition; wait up to `timeout` seconds for one."""
        if not await self._wanted(timeout):
            return
        await asyncio.sleep(max(self._gather_until - self.loop.time(), 0))
        epoch = self.ledger.epoch
        budget = self.settings.max_inflight_bytes - self.ledger.memory
        turn = await self._thread.fetch(self._wanted_partitions(), timeout, budget)
        self._gather(turn)
        for batch in turn.batches:
            if not self.flow_active:
                # The seek that ends the rebalance brings it again.
                return
            message = self._hand_out(batch) if epoch == self.ledger.epoch else None
            if message is None:
                await self._rewind()
                return
            yield message.tp, message
        if epoch == self.ledger.epoch:
            self.ledger.reached(turn.passed)

    def _gather(self, turn: Turn) -> None:
        """A batch costs as much with ten records as with a thousand: where few come at a time, more come together.

        The first after a pause is handed out at once.
        """
        if 0 < sum(batch.count for batch in turn.batches) < GATHER_RECORDS:
            self._gather_until = self.loop.time() + GATHER_SECONDS

    async def _rewind(self) -> None:
        """Read again what was fetched and not handed out, because the partitions were sought or moved meanwhile."""
        try:
            await self.perform_seek()
        except (KafkaError, AssertionError) as error:
            # Only a rebalance can refuse it, and that ends with a seek of its own.
            log.info("cannot seek now: %r", error)

    async def _wanted(self, timeout: float) -> bool:
        """Whether to fetch now: the flow is on and there is room in memory; waits up to `timeout` seconds for both."""
        if not self.flow_active:
            await self.wait_first(self.can_resume_flow.wait(), timeout=timeout)
        if self.ledger.memory >= self.settings.max_inflight_bytes:
            self._room.clear()
            await self.wait_first(self._room.wait(), self.suspend_flow.wait(), timeout=timeout)
        return self.flow_active and self.ledger.memory < self.settings.max_inflight_bytes and not self.should_stop

    def _wanted_partitions(self) -> set[Any]:
        # Faust's own notion of a full buffer counts messages, so it is left out: ours counts bytes.
        return {*self._get_active_partitions(), *self._buffered_partitions}

    def _hand_out(self, batch: Batch) -> BatchMessage | None:
        tp = TP(batch.topic, batch.partition)
        delivery = self.ledger.deliver(
            Partition(*tp),
            batch.first_offset,
            batch.last_offset,
            count=batch.count,
            memory=batch.memory,
            high_watermark=batch.high_watermark,
        )
        if delivery is None:
            return None
        message = BatchMessage(
            *tp, batch.last_offset, batch.newest / 1000, 0, None, None, batch, None, 0, batch.size, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip
        message.delivery = delivery
        return message

    # -- Acknowledging and committing

    def ack(self, message: Any) -> bool:
        """Note that a batch is done. Any thread, any order."""
        with ack_lock:
            message.acked = True
            self._unacked_messages.discard(message)
        done = self.ledger.acknowledge(message.delivery)
        if done:
            self.loop.call_soon_threadsafe(self._room.set)
        return done

    def release(self, message: Any) -> None:
        """Note that a batch needs no memory any more: the next may come before it is acknowledged."""
        message.value.let_go()
        self.ledger.release(message.delivery)
        self.loop.call_soon_threadsafe(self._room.set)

    async def commit(self, topics: Any = None, **_: Any) -> bool:
        """Commit whatever may be; `topics` (names or partitions) narrows it. False: nothing was committed."""
        async with self._commit_lock:
            offsets = {
                partition: offset
                for partition, offset in self.ledger.committable().items()
                if topics is None or partition in topics or partition.topic in topics
            }
            if not offsets or not await self._thread.commit(offsets):
                return False
            self.ledger.committed(offsets)
            self.app.monitor.on_tp_commit(offsets)
            return True

    async def force_commit(self, topics: Any = None, **_: Any) -> bool:
        """The same as `commit`."""
        return await self.commit(topics)

    async def _commit_soon(self) -> None:
        """Commit, but hold up neither a rebalance nor a stop for a broker that does not answer."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.commit(), self.settings.stop_grace)

    async def wait_empty(self) -> None:
        """Commit. Faust would wait here until every agent is done, however long that takes."""
        await self._commit_soon()

    async def finish(self, grace: float) -> None:
        """Hand out nothing more, wait up to `grace` seconds for what agents hold, commit it."""
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()
        deadline = self.loop.time() + grace
        while self._held() and not self.crashed and self.loop.time() < deadline:
            await asyncio.sleep(0.02)
        await self._commit_soon()

    def _held(self) -> bool:
        """Whether an agent has a batch in hand; those still in its queue are dropped, and read again by the next."""
        return any(not message.acked and not message.delivery.dropped for message in self._unacked_messages)

    # -- Rebalancing

    async def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        """Commit what is acknowledged while it is still ours, and forget the rest."""
        self.stop_flow()
        await self._commit_soon()
        self.ledger.drop([Partition(*tp) for tp in revoked])
        self._room.set()
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        """Read on from what is committed, or from the start where nothing is."""
        starts = await self._thread.seek_to_start()
        self.ledger.start(starts)
        self._room.set()

    async def on_stop(self) -> None:
        """Commit once more."""
        await self._commit_soon()
        self.transport._topic_waiters.clear()

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch_ends(self) -> None:
        """Ask for the partitions' ends apart from fetching, so that a fetcher that stalls can be seen to lag."""
        while not self.should_stop:
            await self.sleep(self.settings.end_interval)
            if self.should_stop:
                return
            with contextlib.suppress(KafkaError, TimeoutError, AssertionError):
                self.ledger.ended(await self._thread.ends(self.settings.end_interval))

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Nothing: Faust's check knows nothing of the ledger. See `WorkerApp.progress`."""


class _DaemonWorkerThread(WorkerThread):  # type: ignore[misc]
    """A consumer thread that cannot keep the process from ending."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.daemon = True


class BatchConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread that aiokafka lives in."""

    logger = FAUST_LOG

    Worker = _DaemonWorkerThread

    def __post_init__(self) -> None:
        super().__post_init__()
        settings = self.app.settings
        self._drain = Drain(max_records=settings.max_records, max_bytes=settings.max_batch_bytes)

    def on_crash(self, msg: str, *fmt: Any, **_: Any) -> None:
        """Log, where mode would print."""
        log.error(msg.format(*fmt))

    async def on_thread_stop(self) -> None:
        """Leave the group and close. Faust's driver is passed by: it would hang if the broker were away."""
        await super(driver.AIOKafkaConsumerThread, self).on_thread_stop()
        if self._consumer is None:
            return
        # aiokafka lets through the cancellation of its own fetch, and then leaves its connections open.
        with contextlib.suppress(asyncio.CancelledError, KafkaError):
            await self._consumer.stop()
        await self._consumer._client.close()

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf, settings = self.app.conf, self.app.settings
        # Faust reads the assignor here; its own only matters to apps with tables.
        self._assignor = RoundRobinPartitionAssignor
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset=conf.consumer_auto_offset_reset,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_bytes=settings.fetch_max_bytes,
            fetch_max_wait_ms=int(settings.fetch_max_wait * 1000),
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            check_crcs=conf.broker_check_crcs,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            # What an aborted transaction wrote never happened.
            isolation_level="read_committed",
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            connections_max_idle_ms=conf.consumer_connections_max_idle_ms,
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    def topic_partitions(self, topic: str) -> int | None:
        """How many partitions a topic has; None while that is not known. Any thread.

        Faust asks aiokafka's coordinator, which knows it in the member that leads the group only.
        """
        known = self._consumer.partitions_for_topic(topic) if self._consumer is not None else None
        return len(known) if known else None

    async def fetch(self, wanted: Collection[Any], timeout: float, budget: int) -> Turn:
        """A batch of each wanted partition that has records; waits up to `timeout` seconds for the first."""
        turn: Turn = await self.call_thread(self._fetch, wanted, timeout, budget)
        return turn

    async def _fetch(self, wanted: Collection[Any], timeout: float, budget: int) -> Turn:
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        deadline = self.thread_loop.time() + timeout
        with fetcher._subscriptions.fetch_context():
            while self.consumer.flow_active:
                _raise_what_died(consumer)
                if not fetcher._subscriptions.reassignment_in_progress:
                    turn = self._drain.turn(fetcher, wanted, budget)
                    if turn.batches or turn.passed:
                        return turn
                if not await _more(fetcher, deadline - self.thread_loop.time()):
                    break
        return Turn([], {})

    async def seek_to_start(self) -> Mapping[Partition, tuple[int, int | None]]:
        """Seek every assigned partition to where reading begins: {partition: (position, committed offset or None)}."""
        starts: Mapping[Partition, tuple[int, int | None]] = await self.call_thread(self._seek_to_start)
        return starts

    async def _seek_to_start(self) -> Mapping[Partition, tuple[int, int | None]]:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        if not assigned:
            return {}
        committed = await consumer.seek_to_committed(*assigned)
        # aiokafka leaves those without a commit where they are, which may be behind records that nobody got.
        fresh = [tp for tp, offset in committed.items() if not offset]
        if fresh:
            await consumer.seek_to_beginning(*fresh)
        return {Partition(*tp): (await consumer.position(tp), offset) for tp, offset in committed.items()}

    async def _commit(self, offsets: Mapping[Any, int]) -> bool:
        """Commit, in the thread. False: not ours any more, or the broker said no; the next round tries again."""
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        ours = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items() if tp in assigned}
        try:
            await consumer.commit(ours)
        except (CommitFailedError, IllegalStateError) as error:
            log.info("offsets not committed, the group has rebalanced: %s", error)
            return False
        except REFUSED as error:
            await self.crash(error)
            return False
        except KafkaError as error:
            log.warning("offsets not committed, will try again: %r", error)
            return False
        return len(ours) == len(offsets)

    async def ends(self, timeout: float) -> Mapping[Partition, int]:
        """Where the assigned partitions end, asked of the broker within `timeout` seconds."""
        # Not by the thread's queue of calls: it has two workers, and a broker that hangs must not hold up commits.
        future = asyncio.run_coroutine_threadsafe(self._ends(timeout), self.thread_loop)
        return await asyncio.wrap_future(future)

    async def _ends(self, timeout: float) -> Mapping[Partition, int]:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        if not assigned:
            return {}
        ends = await asyncio.wait_for(consumer.end_offsets(assigned), timeout)
        return {Partition(*tp): offset for tp, offset in ends.items()}


def _raise_what_died(consumer: Any) -> None:
    """Raise what ended aiokafka's background tasks: nobody else awaits them, and consumption would stall in silence."""
    if consumer._closed or consumer._fetcher._closed:
        raise ConsumerStoppedError
    consumer._coordinator.check_errors()
    if consumer._fetcher.error_future.done():
        consumer._fetcher.error_future.result()
        raise ConsumerStoppedError


async def _more(fetcher: Any, timeout: float) -> bool:
    """Wait for the next fetch; False if none came in `timeout` seconds."""
    if timeout <= 0:
        return False
    waiter = fetcher._create_fetch_waiter()
    done, _ = await asyncio.wait([waiter], timeout=timeout)
    if not done:
        waiter.cancel()
        return False
    waiter.result()
    return True
