"""`cakupan serve`: the API."""

from __future__ import annotations

from cakupan import wiring
from cakupan.embedded.process import allow_many_files, require_free_port
from cakupan.settings import Settings, read_settings
from events.kafka import KafkaProbe


def serve() -> None:
    """Serve the API.

    Example: `CAKUPAN_API_PORT=8080 cakupan serve`
    """
    settings = read_settings()
    require_free_port(settings.api_host, settings.api_port, "API")
    _serve(settings)


def _serve(settings: Settings) -> None:
    # Here and not above: a web server is what no other command needs.
    from api.app import create_app
    from api.options import ApiOptions
    from api.server import make_server

    allow_many_files()
    options = ApiOptions(live_listeners=settings.live_listeners)
    app = create_app(wiring.database(settings), options, KafkaProbe(settings.kafka_bootstrap))
    # No access log: an address may hold what must be in no log.
    make_server(app, settings.api_host, settings.api_port).run()
