"""Every number that the process which delivers to webhooks shows."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class WebhookMetrics:
    """In a registry of their own: they are of one process. `outcome` is delivered or failed."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.attempts = Counter("cakupan_webhook_attempts", "Deliveries tried.", ["name", "outcome"], registry=r)
        self.parked = Counter("cakupan_webhook_parked", "Events given up.", ["name"], registry=r)
        self.disabled = Counter("cakupan_webhook_disabled", "Times that it was disabled.", ["name"], registry=r)


WEBHOOKS = WebhookMetrics()
