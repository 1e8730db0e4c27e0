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
from api.memory import TABLE as COVERAGE_DAY
from api.memory import Memory
from api.metrics import ApiMetrics
from api.options import ApiOptions
from api.public import PublicView
from api.rankings import Rankings
from api.rates import Rates
from api.recent import Recent
from api.routes import (
    alerts,
    barriers,
    claims,
    coverage,
    dead_letters,
    events,
    freshness,
    funnel,
    health,
    integrity,
    live_comparison,
    next_visits,
    outreach_effect,
    pace,
    page,
    regions,
    registry,
    served,
    silence,
    villages,
)
from api.routes import rates as rates_routes
from api.routes import stream as stream_routes
from api.stream.hub import StreamHub
from api.stream.metrics import StreamMetrics
from api.tending import tending
from events.catalogue import HEARTBEAT, REFERENCE
from events.regions import Region
from projections import facts, keys
from projections.clickhouse import Database
from projections.minutes import TABLE as REGION_MINUTE

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
    recent = Recent(database, options.clock, on=options.held_bytes > 0)
    follow = {COVERAGE_DAY: memory.follow, REGION_MINUTE: recent.follow}
    log_state = LogState(database, options.clock, options.share_seconds, follow)
    references = Held(lambda: facts.references(database), REFERENCE, facts.OF_REFERENCES)
    sources = Held(lambda: facts.sources(database), HEARTBEAT, facts.OF_SOURCES)

    rates = Rates(database, memory, recent, log_state, sources)

    def look(region: Region) -> models.RatesAnswer:
        now = options.clock()
        return rates.read(region, now, now)

    keyring = Keyring(lambda: keys.by_digest(database), options.key_seconds, options.clock)
    hub = Hub(look, options, metrics.listeners.set)
    # Its pages bring their own scripts: offices behind weak networks and closed ones read them too.
    app = FastAPIOffline(
        title="Cakupan",
        version="1",
        description=DESCRIPTION,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
        lifespan=tending(memory, recent, log_state) if options.fill else None,
    )
    streams = StreamHub(options.stream, StreamMetrics(metrics.registry))
    app.state.context = Context(
        database=database,
        options=options,
        kafka_probe=kafka_probe,
        log_state=log_state,
        memory=memory,
        rates=rates,
        references=references,
        sources=sources,
        hub=hub,
        metrics=metrics,
        keyring=keyring,
        streams=streams,
        public=PublicView(memory, options.public_smallest),
        rankings=Rankings(),
    )
    problems.install(app, options.clickhouse_setting)
    answers = (
        regions,
        coverage,
        villages,
        rates_routes,
        stream_routes,
        freshness,
        integrity,
        dead_letters,
        events,
        health,
    )
    measures = (funnel, live_comparison, pace, served, silence, claims, barriers, next_visits, outreach_effect, alerts)
    for noun in (*answers, *measures, page):
        app.include_router(noun.router)
    registry.install(app)
    # The last one added stands first.
    app.add_middleware(access.Private)
    app.add_middleware(middleware.RefusePersonalData)
    app.add_middleware(middleware.Measure, metrics=metrics)
    document(app)
    return app
