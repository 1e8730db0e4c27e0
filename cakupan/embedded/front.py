"""ClickHouse's native protocol in front of the engine in this process: one thread a connection.

Blocks pass through. What comes in is cut by its columns' widths and handed to the engine as it is; what the engine
answers in the format Native is sent as it is.
"""

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from cakupan.embedded import packets
from cakupan.embedded.compression import Codec, pack
from cakupan.embedded.native import Block, UnsupportedType, columns_of, cut, header, layout
from cakupan.embedded.session import QUERY_WAS_CANCELLED, Engine, EngineError, Insert, Session, identifier, quoted
from cakupan.embedded.statements import InsertStatement, insert_of_blocks
from cakupan.embedded.wire import Reader

logger = logging.getLogger(__name__)

NOT_IMPLEMENTED = 48
UNEXPECTED_PACKET = 101
WATCH_SECONDS = 0.1
BACKLOG = 512


@dataclass(frozen=True)
class Identity:
    """What the server says of itself."""

    version: str
    timezone: str
    name: str = "embedded"


@dataclass(eq=False)
class Watched:
    """A statement that the engine works on, and the client that waits for it."""

    client: socket.socket
    tag: str
    since: float = field(default_factory=time.monotonic)
    cancelled: bool = False
    # Held while it is judged and ended, and to end being watched.
    lock: threading.Lock = field(default_factory=threading.Lock)


class Watcher:
    """Ends statements whose client has cancelled or gone: the thread that serves it is inside the engine then."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._watched: set[Watched] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def stop(self) -> None:
        """End no more statements: from now on clients look gone because nothing more is read from them."""
        with self._lock:
            self._stopped = True

    @contextlib.contextmanager
    def watch(self, watched: Watched) -> Iterator[None]:
        with self._lock:
            self._watched.add(watched)
        try:
            yield
        finally:
            # Whoever judges it has done before the client's next query is read.
            with watched.lock, self._lock:
                self._watched.discard(watched)

    def run(self) -> None:
        session = Session(self._engine, "watcher")
        while True:
            time.sleep(WATCH_SECONDS)
            self.look(session)

    def look(self, session: Session) -> None:
        """Look once at all clients, and end the statements of those that have given up."""
        with self._lock:
            # What ends within a moment isn't worth the look.
            old = [one for one in self._watched if time.monotonic() - one.since > WATCH_SECONDS]
        for one in old:
            with one.lock:
                if self._given_up(one):
                    self._end(session, one)

    def _given_up(self, watched: Watched) -> bool:
        with self._lock:
            # The client of one that has ended may have sent its next query, which is no cancel.
            return not self._stopped and watched in self._watched and _gives_up(watched.client)

    def _end(self, session: Session, watched: Watched) -> None:
        watched.cancelled = True
        with contextlib.suppress(EngineError):
            # All statements of a session have its tag; while the lock is held there is only this one.
            session.execute(f"KILL QUERY WHERE Settings['log_comment'] = {quoted(watched.tag)} ASYNC")


def _gives_up(client: socket.socket) -> bool:
    """Whether the client has sent something, or has gone. All it can send while it waits is that it cancels."""
    poll = select.poll()  # select itself knows no descriptor beyond 1023
    poll.register(client, select.POLLIN)
    return bool(poll.poll(0))


class Front:
    """The server. `serve` accepts until `close`; each client has a thread and a session of its own."""

    def __init__(self, engine: Engine, identity: Identity, listener: socket.socket) -> None:
        self.engine = engine
        self.identity = identity
        self.watcher = Watcher(engine)
        self._listener = listener
        self._clients: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._count = 0
        self._closing = False

    def serve(self) -> None:
        threading.Thread(target=self.watcher.run, name="watcher", daemon=True).start()
        self._listener.listen(BACKLOG)
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                # Closed, or out of file descriptors: the second passes when clients leave.
                if self._closing:
                    return
                time.sleep(WATCH_SECONDS)
                continue
            self._admit(client)

    def close(self, grace: float) -> None:
        """Accept no more, let statements end within `grace` seconds, and leave the clients."""
        self._closing = True
        self._listener.close()
        self.watcher.stop()
        with self._lock:
            clients = dict(self._clients)
        for client in clients:
            # Nothing more is read, so a thread ends when its statement does.
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RD)
        deadline = time.monotonic() + grace
        for thread in clients.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _admit(self, client: socket.socket) -> None:
        self._count += 1
        thread = threading.Thread(target=self._talk, args=(client, f"client {self._count}"), daemon=True)
        with self._lock:
            self._clients[client] = thread
        thread.start()

    def _talk(self, client: socket.socket, tag: str) -> None:
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Conversation(self, client, tag).run()
        except (ConnectionError, TimeoutError, UnicodeError) as error:
            logger.debug("%s: %s", tag, error)
        except Exception:
            logger.exception("%s: the connection is closed", tag)
        finally:
            with self._lock:
                self._clients.pop(client, None)
            client.close()


class Conversation:
    """One client's connection, from its hello to its end."""

    def __init__(self, front: Front, client: socket.socket, tag: str) -> None:
        self._front = front
        self._client = client
        self._tag = tag
        self._reader = Reader.of_socket(client)
        self._session: Session | None = None
        self._codec: Codec | None = None

    def run(self) -> None:
        try:
            self._greet()
            while self._next():
                pass
        finally:
            if self._session is not None:
                self._session.close()

    @property
    def session(self) -> Session:
        assert self._session is not None  # noqa: S101 - made by the greeting
        return self._session

    def _greet(self) -> None:
        if self._reader.varint() != packets.CLIENT_HELLO:
            raise ConnectionError("not a ClickHouse client")
        hello = packets.read_hello(self._reader)
        if hello.revision < packets.REVISION:
            self._send(packets.exception(NOT_IMPLEMENTED, f"the client is too old: revision {hello.revision}"))
            raise ConnectionError("client too old")
        try:
            self._session = Session(self._front.engine, self._tag, hello.database)
        except EngineError as error:
            self._send(packets.exception(error.code, error.text))
            raise ConnectionError(error.text) from error
        identity = self._front.identity
        self._send(packets.hello(identity.version, identity.timezone, identity.name))

    def _next(self) -> bool:
        """Answer one packet. False when the client has left between two of them."""
        self._reader.compact()
        try:
            kind = self._reader.varint()
        except ConnectionError:
            return False
        if kind == packets.CLIENT_PING:
            self._send(packets.PONG)
        elif kind == packets.CLIENT_QUERY:
            self._answer(packets.read_query(self._reader))
        elif kind != packets.CLIENT_CANCEL:  # one that came after its query had ended
            self._send(packets.exception(UNEXPECTED_PACKET, f"DB::Exception: Unexpected packet {kind} from client"))
            raise ConnectionError(f"unexpected packet {kind}")
        return True

    def _answer(self, query: packets.Query) -> None:
        self._codec = Codec(self._reader) if query.compressed else None
        tables: list[str] = []
        watched = Watched(self._client, self._tag)
        try:
            self._receive_tables(tables)
            self.session.apply(query.settings)
            insert = insert_of_blocks(query.text)
            if insert is not None:
                self._insert(insert, watched)
            else:
                self._select(query.text, watched)
        except EngineError as error:
            self._refuse(error, watched)
        except UnsupportedType as error:
            # The rest of the block can't be told from what follows.
            self._send(packets.exception(NOT_IMPLEMENTED, f"DB::Exception: {error}"))
            raise ConnectionError(str(error)) from error
        else:
            self._send(packets.END_OF_STREAM)
        finally:
            for table in tables:
                self.session.execute(f"DROP TEMPORARY TABLE IF EXISTS {table}")

    def _refuse(self, error: EngineError, watched: Watched) -> None:
        if watched.cancelled and error.code == QUERY_WAS_CANCELLED:
            self._send(packets.END_OF_STREAM)
        else:
            self._send(packets.exception(error.code, error.text))

    def _select(self, sql: str, watched: Watched) -> None:
        empty = True
        with self._front.watcher.watch(watched), contextlib.closing(self.session.query(sql)) as blocks:
            for block in blocks:
                if empty:
                    self._send_header(sql, block)
                self._send_block(block)
                empty = False
        if empty:
            self._send_header(sql, None)

    def _send_header(self, sql: str, first: bytes | None) -> None:
        """The block without rows that comes first, and from which a client takes names and types.

        The engine sends none, and for an answer without rows no byte at all.
        """
        try:
            columns = columns_of(first) if first is not None else self.session.columns_of_answer(sql)
        except UnsupportedType:  # can't be cut, but can be sent
            columns = self.session.columns_aside(sql)
        if columns:
            self._send_block(header(columns))

    def _insert(self, statement: InsertStatement, watched: Watched) -> None:
        columns = self.session.columns(statement.described)
        for _, type_name in columns:
            layout(type_name)  # what can't be cut is refused before a byte of it comes
        names = [identifier(name) for name, _ in columns]
        with contextlib.closing(self.session.insert(statement.text(names), columns)) as insert:
            self._send_block(header(columns))
            self._receive_rows(insert, watched)
            with self._front.watcher.watch(watched):
                rows = insert.finish()
        self._send(packets.written(rows))

    def _receive_rows(self, insert: Insert, watched: Watched) -> None:
        """Take blocks up to the empty one. The client reads no answer before it, so an error waits for it."""
        failure: EngineError | None = None
        while (block := self._receive_block()[1]).columns:
            try:
                if failure is None:
                    insert.append(block)
            except EngineError as error:
                failure = error
        if failure is not None:
            raise failure
        watched.since = time.monotonic()

    def _receive_tables(self, names: list[str]) -> None:
        """External tables, each a temporary table of this session; `names` tells those made so far."""
        failure: EngineError | None = None
        while True:
            name, block = self._receive_block()
            if not block.columns:
                break
            try:
                self._make_table(name, block, names)
            except EngineError as error:
                failure = error
        if failure is not None:
            raise failure

    def _make_table(self, name: str, block: Block, names: list[str]) -> None:
        table = identifier(name)
        if table not in names:
            structure = ", ".join(f"{identifier(column)} {kind}" for column, kind in block.columns)
            self.session.execute(f"CREATE TEMPORARY TABLE {table} ({structure}) ENGINE = Memory")
            names.append(table)
        with contextlib.closing(self.session.insert(f"INSERT INTO {table}", block.columns)) as insert:
            insert.append(block)
            insert.finish()

    def _receive_block(self) -> tuple[str, Block]:
        """The next data packet: the name of its external table, usually none, and its block."""
        self._reader.compact()
        kind = self._reader.varint()
        if kind != packets.CLIENT_DATA:
            raise ConnectionError(f"unexpected packet {kind} instead of data")
        name = self._reader.text()
        if self._codec is None:
            return name, cut(self._reader)
        self._codec.reader.compact()
        return name, cut(self._codec.reader)

    def _send_block(self, block: bytes) -> None:
        if self._codec is not None:
            self._send(packets.DATA + pack(packets.BLOCK_INFO + block))
            return
        self._send(packets.DATA + packets.BLOCK_INFO)
        self._send(block)

    def _send(self, data: bytes) -> None:
        self._client.sendall(data)
