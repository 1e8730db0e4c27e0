"""The only place that talks to the database driver."""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from clickhouse_driver import Client
from clickhouse_driver import errors as driver_errors

from projections.errors import QueryFailed, Unavailable

# The driver logs each failed connection with its traceback; what it has to say stands in our errors.
logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)

SETTINGS = "CAKUPAN_CLICKHOUSE_HOST, CAKUPAN_CLICKHOUSE_PORT"

# ClickHouse's codes for "not now": memory limit, too many queries, too many parts, time-outs, no room on the disk,
# a table read-only for the moment. The rest is about the statement.
RETRY_LATER = frozenset({159, 160, 202, 209, 210, 241, 242, 243, 252, 319, 425, 439})


class Database:
    """A pool of connections to one ClickHouse, safe to use from several threads.

    Every method raises Unavailable (retry later) or QueryFailed (never retry), both naming the address.
    """

    def __init__(
        self, host: str, port: int, database: str = "default", user: str = "default", password: str = ""
    ) -> None:
        self.address = f"{host}:{port}"
        self._options = {
            "host": host,
            "port": port,
            "database": database,
            "user": user,
            "password": password,
            "connect_timeout": 5,
            "send_receive_timeout": 600,
            "settings": {"strings_as_bytes": False},
        }
        self._idle: queue.SimpleQueue[Client] = queue.SimpleQueue()

    def rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of a query as dictionaries. `%(name)s` in the statement is bound from `params`, escaped."""
        with self._client() as client:
            data, columns = client.execute(sql, dict(params or {}), with_column_types=True)
        names = [name for name, _ in columns]
        return [dict(zip(names, row, strict=True)) for row in data]

    def stream(self, sql: str, params: Mapping[str, Any] | None = None) -> Iterator[tuple[Any, ...]]:
        """The rows of a large query as tuples, block by block."""
        with self._client() as client:
            yield from client.execute_iter(sql, dict(params or {}))

    def run(self, sql: str, params: Mapping[str, Any] | None = None) -> None:
        """A statement without an answer."""
        with self._client() as client:
            client.execute(sql, dict(params or {}))

    def insert(self, table: str, columns: Mapping[str, Sequence[Any]]) -> int:
        """Columns of equal length into a table; returns the number of rows. Returns when the server has them."""
        names = ", ".join(columns)
        with self._client() as client:
            count: int = client.execute(
                f"INSERT INTO {table} ({names}) VALUES",
                list(columns.values()),
                columnar=True,
            )
        return count

    def ping(self) -> None:
        """Raises Unavailable unless the server answers a query."""
        self.run("SELECT 1")

    @contextmanager
    def _client(self) -> Iterator[Client]:
        try:
            client = self._idle.get_nowait()
        except queue.Empty:
            client = Client(**self._options)
        try:
            yield client
        except driver_errors.ServerException as error:
            client.disconnect()
            raise self._translate(error) from error
        except (driver_errors.Error, OSError, EOFError) as error:
            client.disconnect()
            raise Unavailable(f"no ClickHouse answers at {self.address} ({SETTINGS}): {_first_line(error)}") from error
        except BaseException:
            client.disconnect()
            raise
        self._idle.put(client)

    def _translate(self, error: driver_errors.ServerException) -> Exception:
        text = f"ClickHouse at {self.address} says: {_first_line(error)}"
        return Unavailable(text) if error.code in RETRY_LATER else QueryFailed(text, error.code)


def _first_line(error: BaseException) -> str:
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0][:300]
