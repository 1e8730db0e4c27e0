"""A Faust transport whose messages are batches, acknowledged late, committed in order.

Faust's own consumer hands out one record at a time (some 14,000 a second). This one hands an agent one
`streams.batch.Batch` a fetched partition, and keeps its own books (`streams.ledger`) in place of Faust's:

    app = create_app("my-group", brokers=["127.0.0.1:9092"])

    @app.agent(app.topic("ikd.activation.v1"))
    async def ingest(stream):
        async for event in stream.noack().events():
            await insert(event.value.values)
            event.ack()

What an agent may rely on: a batch is committed only after `event.ack()`, never past an earlier batch without it; after
a crash or a rebalance reading goes on from what was committed, so a record may come twice and is never skipped;
acknowledging a batch that was revoked meanwhile does nothing.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.tables import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from faust.transport.drivers import aiokafka as driver
from mode import CrashingSupervisor, Service
from yarl import URL

from streams.consumer import FAUST_LOG, BatchConsumer, TransportSettings
from streams.ledger import GapCallback, Ledger, Partition, PartitionProgress

__all__ = [
    "AgentEnded",
    "BatchTransport",
    "ImplicitAcknowledgement",
    "TransportSettings",
    "WorkerApp",
    "acknowledge",
    "create_app",
]

log = logging.getLogger(__name__)

WEEK = 7 * 24 * 3600.0

AgentFunction = Callable[[Any], Coroutine[Any, Any, None]]


class ImplicitAcknowledgement(TypeError):
    """The agent iterates in a way that acknowledges a batch even if it failed: rows would be lost."""


class AgentEnded(RuntimeError):
    """An agent's task is over while the worker runs: nothing reads its topic any more."""


def create_app(
    group: str,
    *,
    brokers: Sequence[str],
    settings: TransportSettings = TransportSettings(),
    on_gap: GapCallback | None = None,
    **faust_settings: Any,
) -> WorkerApp:
    """A Faust app on the batch transport: `group` is its consumer group, `brokers` are "host:port".

    A new group starts from the earliest record. Nothing but its agents' topics is read, no topic is ever created, no
    web server and no directory is made. `on_gap(partition, expected, got)` hears of every hole in the offsets
    (compaction, retention and transaction markers make honest ones). `faust_settings` go to `faust.App` as they are.
    """
    defaults: dict[str, Any] = {
        "broker": [URL(f"kafka://{address}") for address in brokers],
        "store": "memory://",
        "autodiscover": False,
        "web_enabled": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "reply_create_topic": False,
        "Schema": BatchSchema,
        "Stream": BatchStream,
        "TableManager": _NoTables,
        # A failed agent stops the worker: restarted in place it would go on behind the batch that it failed on.
        "agent_supervisor": CrashingSupervisor,
        "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": settings.partition_fetch_bytes,
        "broker_max_poll_records": settings.max_records,
        # A worker that waits for a database polls nothing, and aiokafka lets one that has not polled for this long
        # rejoin only after its next poll, which Faust makes only after rejoining: a deadlock. Watch progress instead.
        "broker_max_poll_interval": WEEK,
        "broker_check_crcs": settings.check_crcs,
        "broker_commit_interval": settings.commit_interval,
        "broker_session_timeout": settings.session_timeout,
        "broker_heartbeat_interval": settings.heartbeat_interval,
        "broker_request_timeout": settings.request_timeout,
        # Waiting for agents belongs to a stop, never to a rebalance: see WorkerApp.on_stop.
        "stream_wait_empty": False,
    }
    return WorkerApp(group, settings=settings, on_gap=on_gap, **{**defaults, **faust_settings})


def acknowledge(event: Any) -> bool:
    """Mark the batch of an event as done: from any task or thread, in any order. The same as `event.ack()`.

    False: it was revoked meanwhile, so nothing will be committed of it (or another agent of the app still has it).
    """
    return bool(event.ack())


def release(event: Any) -> None:
    """Let the records of an event's batch go, before it is acknowledged: they are safe, and the next may be fetched."""
    event.app.consumer.release(event.message)


class WorkerApp(faust.App):  # type: ignore[misc]
    """A Faust app whose transport hands out batches. Made by `create_app`."""

    logger = FAUST_LOG

    def __init__(
        self, group: str, *, settings: TransportSettings, on_gap: GapCallback | None = None, **faust_settings: Any
    ) -> None:
        """See `create_app`."""
        self.settings = settings
        self.ledger = Ledger(self._gap)
        self._gap_callback = on_gap
        self._gaps_told: set[Partition] = set()
        super().__init__(group, **faust_settings)

    def agent(self, *args: Any, **kwargs: Any) -> Callable[[AgentFunction], Any]:
        """Faust's decorator, for agents that do not yield: `async def agent(stream) -> None`."""
        decorate = super().agent(*args, **kwargs)
        return lambda fun: decorate(_contained(fun))

    def progress(self) -> list[PartitionProgress]:
        """Where the worker stands, partition by partition; callable from any thread, Kafka is not asked."""
        return self.ledger.progress()

    def part_of(self, topic: str) -> float:
        """Which part of a topic's partitions this worker has; 1 while that is not known."""
        ours = sum(each.topic == topic for each in self.progress())
        return ours / (self.consumer.topic_partitions(topic) or ours) if ours else 1.0

    async def on_stop(self) -> None:
        """Let agents finish what they hold, commit it, then stop."""
        if self._consumer is not None:
            await self._consumer.finish(self.settings.stop_grace)
        await super().on_stop()

    def _gap(self, partition: Partition, expected: int, got: int) -> None:
        # A compacted topic has one in every batch: the first of a partition is news, the others are counted.
        level = logging.DEBUG if partition in self._gaps_told else logging.WARNING
        self._gaps_told.add(partition)
        log.log(level, "%s/%d: expected offset %d, got %d", partition.topic, partition.partition, expected, got)
        if self._gap_callback is not None:
            self._gap_callback(partition, expected, got)

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """No tables, so no directory for them."""

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch_agents(self) -> None:
        """Faust does not notice an agent that returned, or that was ended by an error outside `Exception`."""
        while not self.should_stop:
            await self.sleep(1.0)
            ended = [agent for agent in self.agents.values() if any(map(_is_over, agent._actors))]
            if ended and not self.should_stop:
                await self.crash(AgentEnded(f"agent {ended[0].name} ended: {_why(ended[0])}"))


def _is_over(actor: Any) -> bool:
    return actor.actor_task is not None and actor.actor_task.done()


def _why(agent: Any) -> str:
    task = next(actor.actor_task for actor in agent._actors if _is_over(actor))
    if task.cancelled():
        return "cancelled"
    return repr(task.exception()) if task.exception() else "it returned"


def _contained(fun: AgentFunction) -> AgentFunction:
    """The agent's function; an error that is no Exception (a decoder's panic) is made one, for Faust to notice it."""

    @functools.wraps(fun)
    async def contained(stream: Any) -> None:
        try:
            await fun(stream)
        except (Exception, asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            raise AgentEnded(f"agent {fun.__qualname__} ended: {error!r}") from error

    return contained


class BatchSchema(faust.Schema):  # type: ignore[misc]  # Faust has no types
    """Hands keys and values to the agent as they are: Faust never decodes, so it never drops what it can't decode."""

    def loads_key(self, _app: Any, message: Any, **_: Any) -> Any:
        """The key, untouched."""
        return message.key

    def loads_value(self, _app: Any, message: Any, **_: Any) -> Any:
        """The value, untouched."""
        return message.value


class BatchStream(faust.Stream):  # type: ignore[misc]
    """A stream that refuses to acknowledge on its own.

    Faust's plain iteration and `take` acknowledge in a `finally`, so a batch whose insert raised is committed.
    """

    logger = FAUST_LOG

    def __aiter__(self) -> Any:
        """Iterate, if acknowledgement is left to the agent."""
        if self.enable_acks and isinstance(self.channel, faust.Topic):
            raise ImplicitAcknowledgement("use stream.noack().events() and event.ack() once the batch is safe")
        return super().__aiter__()

    def take(self, *_: Any, **__: Any) -> Any:
        """Refused."""
        raise ImplicitAcknowledgement("take() acknowledges what failed, and a message is a batch already")

    take_events = take
    take_with_timestamp = take


class BatchTransport(driver.Transport):  # type: ignore[misc]
    """The transport: aiokafka's, with the consumer above."""

    Consumer = BatchConsumer


class _Resumption(Recovery):  # type: ignore[misc]
    """What follows a rebalance, where Faust would recover tables.

    Faust gives the seek one request's time, and on a broker that is away for longer it ends the task that resumes
    the flow: the worker lives on and never reads again.
    """

    logger = FAUST_LOG

    async def _resume_streams(self, generation_id: int = 0) -> None:
        while self.app.consumer.assignment():
            try:
                await self._wait(self.app.consumer.perform_seek())
            except (ServiceStopped, RebalanceAgain):
                raise
            except (KafkaError, AssertionError) as error:
                log.warning("cannot find where to read on, will try again: %r", error)
                await self._wait(asyncio.sleep(1.0))
            else:
                break
        await self._resume(generation_id)

    async def _resume(self, generation_id: int) -> None:
        app, consumer = self.app, self.app.consumer
        await app.on_rebalance_complete.send()
        if app.consumer_generation_id != generation_id:
            log.info("the group rebalances again")
            return
        consumer.resume_partitions(consumer.assignment())
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        log.info("reading %s", _names(consumer.assignment()))


def _names(partitions: Collection[Any]) -> str:
    return ", ".join(f"{tp.topic}/{tp.partition}" for tp in sorted(partitions)) or "nothing: no partition is left"


class _NoTables(TableManager):  # type: ignore[misc]
    """Faust's table manager, kept for what it does after a rebalance."""

    logger = FAUST_LOG

    async def on_start(self) -> None:
        """Faust waits a second here for tables that are still to be declared: there are none."""
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> _Resumption:
        """What resumes the flow."""
        if self._recovery is None:
            self._recovery: _Resumption | None = _Resumption(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
