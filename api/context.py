"""What a route works with, made once by `create_app`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.held import Held
from api.keyring import Keyring
from api.live import Hub
from api.log_state import LogState
from api.memory import Memory
from api.metrics import ApiMetrics
from api.options import ApiOptions
from api.public import PublicView
from api.rankings import Rankings
from api.rates import Rates
from api.stream.hub import StreamHub
from projections.clickhouse import Database
from projections.facts import References, Sources


@dataclass(frozen=True)
class Context:
    """The parts of one app. `kafka_probe` raises where Kafka is away; None: not asked."""

    database: Database
    options: ApiOptions
    kafka_probe: Callable[[], None] | None
    log_state: LogState
    memory: Memory
    rates: Rates
    references: Held[References]
    sources: Held[Sources]
    hub: Hub
    metrics: ApiMetrics
    keyring: Keyring
    streams: StreamHub
    public: PublicView
    rankings: Rankings


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Ctx = Annotated[Context, Depends(_context)]
