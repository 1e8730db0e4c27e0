"""The app, wired in one function."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline

from api import middleware, models, problems
from api.context import Context
from api.documentation import DESCRIPTION, document
from api.held import Held
from api.live import Hub
from api.log_state import LogState
from api.metrics import ApiMetrics
from api.options import ApiOptions
from api.rates import rates
from api.routes import coverage, dead_letters, freshness, health, integrity, regions, registry
from api.routes import rates as rates_routes
from events.catalogue import HEARTBEAT, REFERENCE
from events.regions import Region
from projections import facts
from projections.clickhouse import Database

# FastAPI's own spans are opened before any middleware and hold the address as it was sent: they would carry out what
# RefusePersonalData keeps in. Metrics are in `api.metrics`.
NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def create_app(
    database: Database, options: ApiOptions | None = None, kafka_probe: Callable[[], None] | None = None
) -> FastAPI:
    """The API over one database. `kafka_probe` raises, naming the address, where Kafka is away; None: not asked.

    Opens nothing by itself: ClickHouse may be away now and come later.
    """
    options = options or ApiOptions()
    metrics = ApiMetrics()
    log_state = LogState(database, options.clock, options.share_seconds)
    references = Held(lambda: facts.references(database), REFERENCE, ("denominator", "target"))
    sources = Held(lambda: facts.sources(database), HEARTBEAT, ("source_report",))

    def look(region: Region) -> models.RatesAnswer:
        now = options.clock()
        return rates(database, log_state, sources, region, now, now)

    hub = Hub(look, options, metrics.listeners.set)
    # Its pages bring their own scripts: offices behind weak networks and closed ones read them too.
    app = FastAPIOffline(
        title="Cakupan", version="1", description=DESCRIPTION, redirect_slashes=False, telemetry=NO_TELEMETRY
    )
    app.state.context = Context(database, options, kafka_probe, log_state, references, sources, hub, metrics)
    problems.install(app, options.clickhouse_setting)
    for noun in (regions, coverage, rates_routes, freshness, integrity, dead_letters, health):
        app.include_router(noun.router)
    registry.install(app)
    # The last one added stands first.
    app.add_middleware(middleware.RefusePersonalData)
    app.add_middleware(middleware.Measure, metrics=metrics)
    document(app)
    return app
