"""The worker's own small web server: `/metrics` for Prometheus, `/health/live` for whoever restarts it.

In a thread of its own, so that it answers for a worker whose loop stands still.
"""

from __future__ import annotations

import json
import logging
import socketserver
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from events.errors import PublishError
from streams.ledger import PartitionProgress
from streams.liveness import Complaint, complaints
from streams.retry import Waits

log = logging.getLogger(__name__)

LOCAL = "127.0.0.1"


class Liveness:
    """Judges the worker when asked. `kafka` raises PublishError, which says what is wrong, where Kafka is away."""

    def __init__(
        self,
        progress: Callable[[], list[PartitionProgress]],
        waits: Waits,
        stalled_seconds: float,
        kafka: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = progress
        self._waits = waits
        self._stalled_seconds = stalled_seconds
        self._kafka = kafka
        self._clock = clock
        self._turned_at: float | None = None

    def turned(self) -> None:
        """The worker's loop has turned. Until it first has, the worker waits for Kafka and its topics."""
        self._turned_at = self._clock()

    def judge(self) -> tuple[list[Complaint], list[str]]:
        """What is wrong, and what is waited for on purpose. Kafka is asked only where something is wrong."""
        found = self._complaints()
        try:
            if found:
                self._kafka()
            self._waits.end("Kafka")
        except PublishError as error:
            self._waits.note("Kafka", str(error))
            found = []
        return found, self._waits.now()

    def _complaints(self) -> list[Complaint]:
        silent_for = 0.0 if self._turned_at is None else self._clock() - self._turned_at
        return complaints(
            self._progress(), self._stalled_seconds, silent_for=silent_for, waited_ago=self._waits.ended_ago()
        )


def serve(port: int, registry: CollectorRegistry, liveness: Liveness) -> WSGIServer:
    """Answer on loopback, in the background. Raises OSError where the port is taken."""
    server = make_server(LOCAL, port, _app(registry, liveness), _Server, _Silent)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


def _app(registry: CollectorRegistry, liveness: Liveness) -> Any:
    metrics = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/health/live":
            return _live(liveness, start)
        if path in ("/metrics", "/"):
            found: Iterable[bytes] = metrics(environ, start)
            return found
        return _send(start, "404 Not Found", {"detail": "there are /metrics and /health/live"})

    return answer


def _live(liveness: Liveness, start: Any) -> Iterable[bytes]:
    found, waiting = liveness.judge()
    if not found:
        return _send(start, "200 OK", {"status": "live", "waiting": waiting})
    said = [str(each) for each in found]
    log.error("not live: %s", "; ".join(said))
    return _send(start, "503 Service Unavailable", {"status": "stalled", "detail": "; ".join(said), "complaints": said})


def _send(start: Any, status: str, body: dict[str, Any]) -> Iterable[bytes]:
    start(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a scrape is no news."""
