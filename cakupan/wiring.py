"""Settings in, parts out. The one place where the parts are put together."""

from __future__ import annotations

import httpx

from cakupan.settings import Settings
from projections.clickhouse import Database


def database(settings: Settings) -> Database:
    """The database of the projections; connects when first asked."""
    return Database(
        settings.clickhouse_host,
        settings.clickhouse_port,
        settings.clickhouse_database,
        settings.clickhouse_user,
        settings.clickhouse_password,
    )


def api_client(settings: Settings) -> httpx.Client:
    """A client of the API, as the command line uses it."""
    return httpx.Client(base_url=settings.api_address, timeout=30, limits=httpx.Limits(max_connections=16))
