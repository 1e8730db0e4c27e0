"""Events to webhooks: each in the order of the log, one request an event, until it is taken or given up.

The log is the queue. What can't be delivered is tried again after the pauses of a schedule, and what comes behind waits
in the log meanwhile; after the last attempt it is parked, and the next event has its turn. How far a webhook has come
is noted after deliveries, so that a crash repeats some and loses none: receivers know an event by its id.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import logging
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from events import feed
from events.errors import PublishError
from events.feed import BY_TOPIC, Filter, Place, Record
from events.feed_reader import FeedReader
from projections import webhooks
from projections.clickhouse import Database
from projections.errors import DatabaseError
from projections.webhooks import ACTIVE, DISABLED, Parked, Webhook
from streams.addresses import IpNetwork
from streams.courier import Courier, Outcome
from streams.webhook_metrics import WEBHOOKS

log = logging.getLogger(__name__)
Result = TypeVar("Result")

NAME = "cakupan-webhooks"
MOST_WEBHOOKS = 64
MOST_AT_ONCE = 200
WAIT_SECONDS = 0.5
LOOK_SECONDS = 1.0  # between two looks at which webhooks there are
NOTE_SECONDS = 1.0  # of deliveries that a crash repeats at most
AWAY_SECONDS = 5.0  # until Kafka or ClickHouse is tried again
JITTER = 0.2


@dataclass(frozen=True)
class Delivering:
    """How webhooks are served. `pauses`: seconds after the first, the second, ... failed attempt at one event.

    `disable_after`: of nothing but failures. `secret`: of a webhook. `allowed`: networks besides the public internet.
    """

    pauses: tuple[float, ...]
    disable_after: dt.timedelta
    secret: Callable[[Webhook], str]
    allowed: Sequence[IpNetwork] = ()


def wanted(webhook: Webhook) -> Filter:
    """What a webhook gets: its operator added it, so all that it names."""
    regions = tuple((topic, webhook.region) for topic in webhook.topics)
    return Filter(regions, frozenset(webhook.types), scope=0, public="village")


class Service:
    """Every webhook of one database, each in a task of its own, for as long as it stands as it did."""

    def __init__(self, database: Database, bootstrap: str, how: Delivering) -> None:
        self._database = database
        self._bootstrap = bootstrap
        self._how = how
        self._threads = ThreadPoolExecutor(MOST_WEBHOOKS + 2, thread_name_prefix="webhook")
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def run(self, ended: asyncio.Event) -> None:
        """Until it is told to end."""
        try:
            while not ended.is_set():
                await self._look()
                await _wait(ended, LOOK_SECONDS)
        finally:
            await self._stop(set(self._tasks))
            self._threads.shutdown()

    async def _look(self) -> None:
        try:
            look = functools.partial(webhooks.all_, self._database)
            standing = await asyncio.get_running_loop().run_in_executor(self._threads, look)
        except DatabaseError as error:
            log.warning("webhooks can't be looked up: %s", error)
            return
        active = {(e.webhook.name, e.webhook.change): e for e in standing if e.webhook.state == ACTIVE}
        await self._stop(self._tasks.keys() - active.keys())
        for key in active.keys() - self._tasks.keys():
            delivery = _Delivery(self._database, self._bootstrap, self._how, active[key], self._threads)
            self._tasks[key] = asyncio.create_task(delivery.run())

    async def _stop(self, keys: set[tuple[str, int]]) -> None:
        tasks = [self._tasks.pop(key) for key in keys]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _wait(ended: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await ended.wait()
    except TimeoutError:
        return


class _Disabled(Exception):
    """No more is sent to this webhook."""


class _Delivery:
    """One webhook."""

    def __init__(
        self,
        database: Database,
        bootstrap: str,
        how: Delivering,
        standing: webhooks.Standing,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._database = database
        self._bootstrap = bootstrap
        self._how = how
        self._webhook = standing.webhook
        self._failing_since = standing.failing_since
        self._filter = wanted(standing.webhook)
        self._threads = threads
        self._at: dict[Place, int] = {}
        self._noted: dict[Place, int] = {}
        self._noted_at = 0.0

    async def run(self) -> None:
        """Until it is cancelled, or the webhook disabled. Begins anew where a part was away."""
        while True:
            try:
                await self._serve()
            except (PublishError, DatabaseError) as error:
                log.warning("webhook %s waits: %s", self._webhook.name, error)
                await asyncio.sleep(AWAY_SECONDS)
            except _Disabled as error:
                log.error("webhook %s is disabled: %s", self._webhook.name, error)
                return

    async def _serve(self) -> None:
        reader = await self._do(lambda: FeedReader(self._bootstrap, NAME))
        try:
            await self._do(lambda: self._start(reader))
            async with Courier(self._webhook.url, self._how.secret(self._webhook), self._how.allowed) as courier:
                while True:
                    await self._round(reader, courier)
        finally:
            await asyncio.shield(self._do(reader.close))

    def _start(self, reader: FeedReader) -> None:
        noted = webhooks.positions(self._database, self._webhook)
        # A partition that came later is sent from its begin.
        bounds = reader.bounds(reader.places(self._webhook.topics))
        self._at = {place: self._within(place, noted.get(place, 0), bounds[place]) for place in bounds}
        self._noted = {}
        reader.start(self._at)

    def _within(self, place: Place, offset: int, bounds: tuple[int, int]) -> int:
        """Where to go on: there, or, where the log was cut or made anew, as near as it can be, and said aloud."""
        low, high = bounds
        if not low <= offset <= high:
            lost = (self._webhook.name, *place, offset, low, high)
            log.error("webhook %s: %s/%s is to go on at %d, and the log has %d to %d", *lost)
        return min(max(offset, low), high)

    async def _round(self, reader: FeedReader, courier: Courier) -> None:
        messages = await self._do(lambda: reader.read(MOST_AT_ONCE, WAIT_SECONDS))
        try:
            for message, keep in zip(messages, feed.sift(self._filter, messages), strict=True):
                record = feed.read(message) if keep else None
                if record is not None and self._filter.wants(record):
                    await self._hand_over(courier, record)
                self._at[BY_TOPIC[message.topic()], message.partition()] = message.offset() + 1
                if time.monotonic() - self._noted_at > NOTE_SECONDS:
                    await self._note()
            self._at.update(reader.at)
        finally:
            await asyncio.shield(self._note())

    async def _note(self) -> None:
        if self._at == self._noted:
            return
        at = dict(self._at)
        await self._do(lambda: webhooks.write_positions(self._database, self._webhook, at))
        self._noted, self._noted_at = at, time.monotonic()

    async def _hand_over(self, courier: Courier, record: Record) -> None:
        """Deliver, or park. Raises _Disabled."""
        pauses = (*self._how.pauses, None)
        for attempt, pause in enumerate(pauses, 1):
            outcome = await courier.deliver(record.event_id, record.data)
            WEBHOOKS.attempts.labels(self._webhook.name, "delivered" if outcome.delivered else "failed").inc()
            if outcome.delivered:
                await self._went_well()
                return
            await self._went_wrong(outcome)
            if pause is None:
                await self._park(record, outcome, attempt)
                return
            await asyncio.sleep(pause * random.uniform(1 - JITTER, 1 + JITTER))

    async def _went_well(self) -> None:
        if self._failing_since is not None:
            self._failing_since = None
            await self._write_status("")

    async def _went_wrong(self, outcome: Outcome) -> None:
        now = _now()
        first = self._failing_since is None
        self._failing_since = self._failing_since or now
        if first:
            log.warning("webhook %s %s", self._webhook.name, outcome.detail)
        await self._write_status(outcome.detail)
        if outcome.gone or now - self._failing_since > self._how.disable_after:
            await self._note()
            reason = f"{outcome.detail}, since {self._failing_since:%Y-%m-%d %H:%M}Z"
            await self._do(
                lambda: webhooks.write(self._database, replace(self._webhook, state=DISABLED, reason=reason))
            )
            WEBHOOKS.disabled.labels(self._webhook.name).inc()
            raise _Disabled(reason)

    async def _write_status(self, error: str) -> None:
        await self._do(lambda: webhooks.write_status(self._database, self._webhook, self._failing_since, error, _now()))

    async def _park(self, record: Record, outcome: Outcome, attempts: int) -> None:
        topic, partition = record.place
        given_up = Parked(topic, partition, record.offset, record.event_id, outcome.detail, attempts, _now())
        log.error(
            "webhook %s: %s/%s/%s is parked: %s", self._webhook.name, *record.place, record.offset, outcome.detail
        )
        WEBHOOKS.parked.labels(self._webhook.name).inc()
        await self._do(lambda: webhooks.park(self._database, self._webhook.name, given_up, _now()))

    async def _do(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
