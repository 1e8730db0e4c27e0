"""`cakupan serve`: the API."""

from __future__ import annotations

import sys

from cakupan import wiring
from cakupan.embedded.process import allow_many_files, require_free_port
from cakupan.settings import Settings, read_settings
from events.kafka import KafkaProbe

SWITCH_SECONDS = 0.0005  # that a thread computes on while another waits


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
    from api.stream.options import StreamOptions

    allow_many_files()
    # Looks at the tables are made in a thread beside the answers, which would wait for Python's 5 ms until it lets go.
    sys.setswitchinterval(SWITCH_SECONDS)
    options = ApiOptions(
        held_bytes=settings.api_memory_mb << 20,
        fill=True,
        live_listeners=settings.live_listeners,
        public_level=settings.public_level,
        public_smallest=settings.public_smallest,
        anonymous_connections=settings.stream_anonymous,
        stream=StreamOptions(bootstrap=settings.kafka_bootstrap, listeners=settings.stream_listeners),
        subscriber_bootstrap=_of_subscribers(settings),
    )
    app = create_app(wiring.database(settings), options, KafkaProbe(settings.kafka_bootstrap))
    # No access log: an address may hold what must be in no log.
    make_server(app, settings.api_host, settings.api_port).run()


def _of_subscribers(settings: Settings) -> str:
    """Where subscribers of Kafka connect; empty where there is no listener for them."""
    there = settings.kafka_subscriber_port or settings.kafka_subscriber_bootstrap
    return settings.subscriber_bootstrap if there else ""
