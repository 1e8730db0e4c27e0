"""The only place that talks to the database driver."""

from __future__ import annotations

import logging
import os
import queue
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

from clickhouse_driver import Client, defines
from clickhouse_driver import errors as driver_errors
from clickhouse_driver.block import BlockInfo
from clickhouse_driver.protocol import ClientPacketTypes
from clickhouse_driver.varint import write_varint
from clickhouse_driver.writer import write_binary_str, write_binary_uint8

from projections.errors import QueryFailed, Unavailable

# The driver logs each failed connection with its traceback; what it has to say stands in our errors.
logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)

SETTINGS = "CAKUPAN_CLICKHOUSE_HOST, CAKUPAN_CLICKHOUSE_PORT"

PATIENCE = 600.0
LEISURE = 10  # Linux's niceness of what nobody waits for: on a full machine the rest gets nine times as much
MOST_TEXT = 64 << 20  # bytes of a statement

# ClickHouse's codes for "not now": memory limit, too many queries, too many parts, time-outs, no room on the disk,
# a table read-only for the moment. The rest is about the statement.
RETRY_LATER = frozenset({159, 160, 202, 209, 210, 241, 242, 243, 252, 319, 425, 439})


@dataclass(frozen=True)
class Block:
    """Rows in columns: name to (type as ClickHouse writes it, the values' bytes). `projections.native` makes them."""

    rows: int
    columns: dict[str, tuple[str, bytes]]


class Database:
    """A pool of connections to one ClickHouse, safe to use from several threads.

    Every method raises Unavailable (retry later) or QueryFailed (never retry), both naming the address. A statement is
    as urgent as the process that asks: the server's threads take over its niceness, where the server may set one.
    """

    def __init__(
        self,
        host: str,
        port: int,
        database: str = "default",
        user: str = "default",
        password: str = "",
        patience: float = PATIENCE,
    ) -> None:
        """`patience`: seconds without a word of the server until it counts as away."""
        self.address = f"{host}:{port}"
        self._options: dict[str, Any] = {
            "host": host,
            "port": port,
            "database": database,
            "user": user,
            "password": password,
            "connect_timeout": 5,
            "send_receive_timeout": patience,
            # Equal rows of one insert are left to merges, as those of two inserts are: every reader takes them for one.
            # Looking for them in each block cost half of what an insert took.
            # An insert's copies are written side by side; it counts when all are. One after the other, what is computed
            # for them is computed by one thread too.
            # Lists of what a statement is about are part of its text.
            # What a door works out where nobody says it may be said: see 0031_known_people.
            "settings": {
                "strings_as_bytes": False,
                "optimize_on_insert": 0,
                "parallel_view_processing": 1,
                "max_query_size": MOST_TEXT,
                "insert_allow_materialized_columns": 1,
                **_niceness(os.nice(0)),
            },
        }
        self._idle: queue.SimpleQueue[Client] = queue.SimpleQueue()

    def __getstate__(self) -> dict[str, Any]:
        """For another process: connections stay here."""
        return {name: value for name, value in self.__dict__.items() if name != "_idle"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._idle = queue.SimpleQueue()

    def at_leisure(self) -> Database:
        """The same, for statements that nobody waits for."""
        same = copy(self)
        same._options = {**self._options, "settings": {**self._options["settings"], **_niceness(LEISURE)}}
        return same

    def rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of a query as dictionaries. `%(name)s` in the statement is bound from `params`, escaped."""
        with self._client() as client:
            data, columns = client.execute(sql, dict(params or {}), with_column_types=True)
        names = [name for name, _ in columns]
        return [dict(zip(names, row, strict=True)) for row in data]

    def columns(self, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The columns of a query, in their order; none where it has no rows."""
        with self._client() as client:
            found: list[tuple[Any, ...]] = client.execute(sql, dict(params or {}), columnar=True)
        return found

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

    def insert_block(self, table: str, block: Block) -> int:
        """Columns encoded already into a table; returns the number of rows. Returns when the server has them."""
        names = ", ".join(block.columns)
        with self._client() as client:
            count: int = client.execute(f"INSERT INTO {table} ({names}) VALUES", [block], columnar=True)
        return count

    def ping(self) -> None:
        """Raises Unavailable unless the server answers a query."""
        self.run("SELECT 1")

    @contextmanager
    def _client(self) -> Iterator[Client]:
        try:
            client = self._idle.get_nowait()
        except queue.Empty:
            client = _Client(**self._options)
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


class _Client(Client):  # type: ignore[misc]  # the driver has no types
    """The driver's client, which also sends a Block, whose columns need no encoding."""

    def send_data(self, sample_block: Any, data: Any, types_check: bool = False, columnar: bool = False) -> int:
        """The driver's own hook: what an INSERT sends after the server has named its columns."""
        block = data[0] if data else None
        if not isinstance(block, Block):
            sent: int = super().send_data(sample_block, data, types_check=types_check, columnar=columnar)
            return sent
        wanted, given = dict(sample_block.columns_with_types), {name: kind for name, (kind, _) in block.columns.items()}
        if wanted != given:
            raise QueryFailed(f"the table's columns are {wanted}, and given were {given}", 0)
        self._send_block(block)
        self.receive_profile_events()
        return block.rows + int(super().send_data(sample_block, [], columnar=True))

    def _send_block(self, block: Block) -> None:
        connection = self.connection
        revision = connection.server_info.used_revision
        write_varint(ClientPacketTypes.DATA, connection.fout)
        write_binary_str("", connection.fout)
        out = connection.block_out.fout  # compresses where compression is on
        BlockInfo().write(out)
        write_varint(len(block.columns), out)
        write_varint(block.rows, out)
        for name, (kind, values) in block.columns.items():
            write_binary_str(name, out)
            write_binary_str(kind, out)
            if revision >= defines.DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION:
                write_binary_uint8(0, out)  # plain, not sparse
            out.write(values)
        connection.block_out.finalize()


def _niceness(value: int) -> dict[str, int]:
    return {"os_threads_nice_value_query": value} if value > 0 else {}


def _first_line(error: BaseException) -> str:
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0][:300]
