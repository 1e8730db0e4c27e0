"""The worker, wired: settings in, a running process out."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from events.catalogue import ACTIVATION
from events.kafka import KafkaProbe
from events.publisher import Publisher
from projections import activation
from projections.catalogue import PROJECTIONS, new_run
from projections.clickhouse import Database
from projections.errors import DatabaseError
from projections.known import Known
from projections.migrate import RebuildNeeded, require_current
from streams.agents import add_agents
from streams.batch import collect_seldom
from streams.dead_letters import Limit
from streams.health import Liveness, serve
from streams.ingest import LANES, Ingest
from streams.knowing import know_forever
from streams.ledger import Partition
from streams.metrics import METRICS
from streams.positions import Positions
from streams.retry import WAITS, until_done
from streams.runner import STOP_WORKER, StopWorker, configure_logging, run_worker
from streams.staging import stage_forever
from streams.transport import TransportSettings, WorkerApp, create_app

log = logging.getLogger(__name__)

TELL_SECONDS = 1.0
TURN_SECONDS = 0.5
ORPHAN_RUN_SECONDS = 3600
STAGER = Partition(ACTIVATION, 0)  # the worker that has it stages people: several would do the same work twice


@dataclass(frozen=True)
class WorkerOptions:
    """What the worker is told. Sizes in bytes, times in seconds.

    `instance`: a name of this worker alone. Killed and started again under it, it gets its partitions back at once;
    without one the group first waits until the dead worker's session has run out.
    """

    group: str
    instance: str
    brokers: tuple[str, ...]
    max_batch_records: int
    max_inflight_bytes: int
    recompute_interval: float
    dead_letter_ratio: float
    dead_letter_window: int
    metrics_port: int = 0
    stalled_seconds: float = 120


def build_app(database: Database, options: WorkerOptions) -> WorkerApp:
    """The Faust app with its agents, timers and tasks; nothing is connected yet."""
    app = create_app(
        options.group,
        brokers=options.brokers,
        settings=TransportSettings(
            max_inflight_bytes=options.max_inflight_bytes, max_records=options.max_batch_records
        ),
        on_gap=_count_gap,
        **({"consumer_group_instance_id": options.instance} if options.instance else {}),
    )
    positions = Positions(database, app.progress)
    publisher = Publisher(",".join(options.brokers), timeout=30)
    limit = Limit(options.dead_letter_ratio, options.dead_letter_window)
    interval = options.recompute_interval
    known = Known(database)
    ingest = Ingest(database, publisher, positions, limit, interval, lambda: app.part_of(ACTIVATION), known)
    add_agents(app, ingest)
    _add_tasks(app, database, ingest, positions, known)
    return app


def work(database: Database, options: WorkerOptions, on_ready: Callable[[], None] | None = None) -> int:
    """Run the worker until a signal, or until it decides to stop; returns the exit code (see `streams.runner`)."""
    app = build_app(database, options)
    collect_seldom()
    if options.metrics_port:
        try:
            serve(options.metrics_port, METRICS.registry, _liveness(app, options))
        except OSError as error:
            configure_logging()
            log.error("stopped: port %d (CAKUPAN_WORKER_METRICS_PORT): %s", options.metrics_port, error.strerror)
            return STOP_WORKER
    return run_worker(app, on_ready=on_ready)


def _liveness(app: WorkerApp, options: WorkerOptions) -> Liveness:
    kafka = KafkaProbe(",".join(options.brokers), timeout=3)
    liveness = Liveness(app.progress, WAITS, options.stalled_seconds, kafka)

    async def turn() -> None:
        while True:
            liveness.turned()
            await asyncio.sleep(TURN_SECONDS)

    _run_with(app, turn)
    return liveness


def _add_tasks(app: WorkerApp, database: Database, ingest: Ingest, positions: Positions, known: Known) -> None:
    current = asyncio.Event()

    async def recompute() -> None:
        await until_done("looking at the tables", lambda: _require_current(database))
        current.set()
        oldest = new_run(age_seconds=ORPHAN_RUN_SECONDS)
        await until_done("tidying up", lambda: activation.forget_older(database, oldest))
        await ingest.recompute_forever()

    _run_with(app, recompute)

    async def insert(topic: str) -> None:
        await current.wait()
        await ingest.insert_forever(topic)

    async def stage() -> None:
        await current.wait()
        await stage_forever(database, lambda: ingest.behind() or not _has(app, STAGER), ingest.at_rest)

    _run_with(app, stage)

    async def know() -> None:
        await current.wait()
        await know_forever(known, ingest.behind)

    _run_with(app, know)

    for topic in PROJECTIONS:
        for _ in range(LANES):
            _run_with(app, functools.partial(insert, topic))

    silent = False

    @app.timer(TELL_SECONDS)  # type: ignore[untyped-decorator]
    async def tell() -> None:
        nonlocal silent
        try:
            await asyncio.to_thread(positions.tell)
            silent = False
        except DatabaseError as error:
            if not silent:  # once an outage, not once a second
                log.warning("telling the position: %s", error)
            silent = True


def _has(app: WorkerApp, partition: Partition) -> bool:
    return any((each.topic, each.partition) == partition for each in app.progress())


def _require_current(database: Database) -> None:
    """Rows that are computed otherwise than those around them would be wrong for good. Raises StopWorker."""
    try:
        require_current(database)
    except RebuildNeeded as error:
        raise StopWorker(str(error)) from error


def _run_with(app: WorkerApp, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """A task beside the agents. Faust would only log its failure: the worker must end, for nothing is acknowledged."""

    async def guarded() -> None:
        try:
            await work()
        except Exception as error:
            await app.crash(error)

    app.task(guarded)


def _count_gap(partition: Partition, expected: int, got: int) -> None:
    METRICS.gaps.labels(partition.topic).inc()
    log.error("%s/%d: offsets %d to %d are missing in the log", partition.topic, partition.partition, expected, got - 1)
