"""Every number the API shows about itself, as a literal you can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from api.models import Data
from projections.answers import Place

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
PARTITION = ["topic", "partition"]


class ApiMetrics:
    """The API's metrics, in a registry of their own. Latency runs up to the first byte of the answer."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        labels = ["method", "route", "status"]
        self.requests = Counter("cakupan_api_requests", "Requests, by route and status.", labels, registry=r)
        self.seconds = Histogram(
            "cakupan_api_request_seconds", "Time to the first byte.", ["method", "route"], buckets=SECONDS, registry=r
        )
        self.refused = Counter("cakupan_api_refused", "Requests refused for their key.", ["reason"], registry=r)
        self.listeners = Gauge("cakupan_api_live_listeners", "Open live streams.", registry=r)
        self.clickhouse_up = Gauge("cakupan_api_clickhouse_up", "1 while ClickHouse answers.", registry=r)
        self.age = Gauge("cakupan_api_data_age_seconds", "Age of the answers.", [], registry=r)
        self.position = Gauge("cakupan_api_position", "First offset not yet in the answers.", PARTITION, registry=r)
        self.lag = Gauge("cakupan_api_lag_events", "Records not yet in the answers.", PARTITION, registry=r)
        self.dead_letters = Gauge("cakupan_dead_letters", "Refused records.", ["topic", "status"], registry=r)
        self.differences = Gauge(
            "cakupan_integrity_differences", "Events that log and tables differ in.", ["topic", "kind"], registry=r
        )
        self.alerts = Gauge("cakupan_open_alerts", "Alerts that are not over.", ["kind", "state"], registry=r)
        self.verified = Gauge("cakupan_verified_position", "Proved up to this offset.", PARTITION, registry=r)

    def show_counts(self, gauge: Gauge, counts: Mapping[tuple[str, str], int]) -> None:
        """Set a gauge of two labels, in their order."""
        gauge.clear()
        for labels, count in counts.items():
            gauge.labels(*labels).set(count)

    def show_verified(self, places: Sequence[Place]) -> None:
        """Set how far each partition is proved."""
        self.verified.clear()
        for each in places:
            self.verified.labels(each.topic, str(each.partition)).set(each.next)

    def show(self, places: Sequence[Place], data: Data | None) -> None:
        """Set what is known of the log; None: ClickHouse is away, and nothing is."""
        self.clickhouse_up.set(data is not None)
        self.position.clear()
        self.lag.clear()
        for each in places:
            labels = (each.topic, str(each.partition))
            self.position.labels(*labels).set(each.next)
            self.lag.labels(*labels).set(max(each.head - each.next, 0))
        age = data.age_seconds if data is not None else None
        self.age.set(float("nan") if age is None else age)
