"""The server: uvicorn, which ends live streams when it stops instead of waiting for their readers to leave."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

GRACE_SECONDS = 5


class Server(uvicorn.Server):
    """Serves one app of `create_app`."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.context.hub.close()
        await super().shutdown(sockets)


def make_server(app: FastAPI, host: str, port: int, *, access_log: bool = False) -> Server:
    """A server; `run()` blocks until a signal, `should_exit = True` ends it from another thread."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=access_log,
        server_header=False,
        log_level="warning" if not access_log else "info",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return Server(app, config)
