"""Every number the worker shows about itself, as a literal you can read."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class WorkerMetrics:
    """The worker's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.events = Counter("cakupan_events", "Events taken in, by topic.", ["topic"], registry=r)
        self.refused = Counter("cakupan_events_refused", "Records sent to the dead letters.", ["topic"], registry=r)
        self.retries = Counter("cakupan_retries", "Attempts that a part was away for.", ["what"], registry=r)
        self.gaps = Counter("cakupan_offset_gaps", "Holes in the offsets of a partition.", ["topic"], registry=r)
        self.step = Histogram("cakupan_step_seconds", "Time of a step.", ["step"], buckets=SECONDS, registry=r)
        self.lag = Gauge("cakupan_lag_events", "Records not yet in the answers.", ["topic", "partition"], registry=r)
        self.position = Gauge("cakupan_position", "Next offset to take in.", ["topic", "partition"], registry=r)
        self.committed = Gauge("cakupan_committed", "Offset last committed.", ["topic", "partition"], registry=r)
        self.uncommitted = Gauge(
            "cakupan_uncommitted_seconds",
            "How long done work waits for its commit.",
            ["topic", "partition"],
            registry=r,
        )
        self.starved = Gauge(
            "cakupan_starved_seconds", "How long records wait and none comes.", ["topic", "partition"], registry=r
        )


METRICS = WorkerMetrics()


class FanoutMetrics:
    """The metrics of the fan-out, which is a process of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.events = Counter("cakupan_fanout_events", "Events passed on, by topic.", ["topic"], registry=r)
        self.position = Gauge("cakupan_fanout_position", "Next to pass on.", ["topic", "partition"], registry=r)
        self.lag = Gauge("cakupan_fanout_lag_events", "Records not yet passed on.", ["topic", "partition"], registry=r)
        self.provinces = Gauge("cakupan_fanout_provinces", "Provinces that are passed their events.", registry=r)
        self.catching_up = Gauge("cakupan_fanout_catching_up", "Provinces still passed what came before.", registry=r)
        self.answers = Counter("cakupan_fanout_answers", "Changed answers published.", registry=r)
        self.receipts = Counter("cakupan_fanout_receipts", "Receipts published, by topic.", ["topic"], registry=r)
        self.retries = Counter("cakupan_fanout_retries", "Attempts that a part was away for.", ["what"], registry=r)


FANOUT = FanoutMetrics()
