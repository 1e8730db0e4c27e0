"""The app, wired in one function."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline

from api import access, middleware, models, problems
from api.context import Context
from api.documentation import DESCRIPTION, document
from api.held import Held
from api.keyring import Keyring
from api.live import Hub
from api.log_state import LogState
from api.memory import Memory
from api.metrics import ApiMetrics
from api.options import ApiOptions
from api.rates import rates
from api.routes import barriers as barriers_routes
from api.routes import claims as claims_routes
from api.routes import coverage, dead_letters, events, freshness, health, integrity, regions, registry
from api.routes import funnel as funnel_routes
from api.routes import live_comparison as live_comparison_routes
from api.routes import next_visits as next_visits_routes
from api.routes import outreach_effect as outreach_routes
from api.routes import pace as pace_routes
from api.routes import page as page_routes
from api.routes import rates as rates_routes
from api.routes import served as served_routes
from api.routes import silence as silence_routes
from api.routes import stream as stream_routes
from api.stream.hub import StreamHub
from api.stream.metrics import StreamMetrics
from api.tending import tending
from events.catalogue import HEARTBEAT, REFERENCE
from events.regions import Region
from projections import facts, keys
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
    memory = Memory(database, options.held_bytes)
    log_state = LogState(database, options.clock, options.share_seconds, memory.follow)
    references = Held(lambda: facts.references(database), REFERENCE, ("denominator", "target"))
    sources = Held(lambda: facts.sources(database), HEARTBEAT, ("source_report",))

    def look(region: Region) -> models.RatesAnswer:
        now = options.clock()
        return rates(database, memory, log_state, sources, region, now, now)

    keyring = Keyring(lambda: keys.by_digest(database), options.key_seconds, options.clock)
    hub = Hub(look, options, metrics.listeners.set)
    # Its pages bring their own scripts: offices behind weak networks and closed ones read them too.
    app = FastAPIOffline(
        title="Cakupan",
        version="1",
        description=DESCRIPTION,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
        lifespan=tending(memory, log_state) if options.fill else None,
    )
    streams = StreamHub(options.stream, StreamMetrics(metrics.registry))
    app.state.context = Context(
        database, options, kafka_probe, log_state, memory, references, sources, hub, metrics, keyring, streams
    )
    problems.install(app, options.clickhouse_setting)
    for noun in (regions, coverage, rates_routes, stream_routes, freshness, integrity, dead_letters, events, health):
        app.include_router(noun.router)
    app.include_router(funnel_routes.router)
    app.include_router(live_comparison_routes.router)
    app.include_router(pace_routes.router)
    app.include_router(served_routes.router)
    app.include_router(silence_routes.router)
    app.include_router(claims_routes.router)
    app.include_router(barriers_routes.router)
    app.include_router(next_visits_routes.router)
    app.include_router(outreach_routes.router)
    app.include_router(page_routes.router)
    registry.install(app)
    # The last one added stands first.
    app.add_middleware(access.Private)
    app.add_middleware(middleware.RefusePersonalData)
    app.add_middleware(middleware.Measure, metrics=metrics)
    document(app)
    return app
