"""The server: uvicorn, which ends live streams when it stops instead of waiting for their readers to leave."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.wire import TRANSPORT

GRACE_SECONDS = 5


class _Protocol(HttpToolsProtocol):
    """Shows a stream its connection: a last word has to get behind what a slow client has not taken yet."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]  # ASGI leaves them open


class Server(uvicorn.Server):
    """Serves one app of `create_app`."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.context.hub.close()
        self._app.state.context.streams.close()
        await super().shutdown(sockets)


def make_server(app: FastAPI, host: str, port: int, *, access_log: bool = False) -> Server:
    """A server; `run()` blocks until a signal, `should_exit = True` ends it from another thread."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=_Protocol,
        access_log=access_log,
        server_header=False,
        log_level="warning" if not access_log else "info",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return Server(app, config)
