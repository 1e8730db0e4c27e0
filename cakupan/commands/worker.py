"""`cakupan worker`: from the log into the tables."""

from __future__ import annotations

import typer

from cakupan import wiring
from cakupan.settings import Settings, read_settings


def worker() -> None:
    """Run a worker: it takes events from Kafka into ClickHouse until it is stopped.

    Start as many as there are partitions. It waits for Kafka and ClickHouse as long as they are away, and ends with
    exit code 3 when it decides to stop, with the reason.

    Example: `CAKUPAN_KAFKA_BOOTSTRAP=kafka:9092 cakupan worker`
    """
    raise typer.Exit(_work(read_settings()))


def _work(settings: Settings) -> int:
    # Here and not above: Faust takes half a second to import, which every other command would pay too.
    from streams.worker import WorkerOptions, work

    options = WorkerOptions(
        group=settings.worker_group,
        instance=settings.worker_instance,
        brokers=tuple(each.strip() for each in settings.kafka_bootstrap.split(",")),
        max_batch_records=settings.max_batch_records,
        max_inflight_bytes=settings.max_inflight_bytes,
        recompute_interval=settings.recompute_interval_seconds,
        dead_letter_ratio=settings.dead_letter_ratio,
        dead_letter_window=settings.dead_letter_window,
        metrics_port=settings.worker_metrics_port,
        stalled_seconds=settings.stalled_seconds,
    )
    return work(wiring.database(settings), options)
