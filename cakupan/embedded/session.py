"""One client's session in the engine: its settings, its database, its temporary tables, its queries."""

import json
import os
import re
import sys
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chdb

from cakupan.embedded.native import Block, Columns, UnsupportedType, columns_of, retyped, split

Settings = dict[str, str]
Blocks = Generator[bytes, None, None]  # each in the format Native

# What ClickHouse itself collects of an insert's blocks before it writes them.
FLUSH_ROWS = 1 << 20
FLUSH_BYTES = 256 << 20

UNKNOWN_ERROR = 1002
UNKNOWN_SETTING = 115
QUERY_WAS_CANCELLED = 394

# Statements whose rows come block by block. All others answer at once, with little.
_STREAMED = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(?:SELECT|WITH)\b", re.IGNORECASE | re.DOTALL)
_SET = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*SET\b", re.IGNORECASE | re.DOTALL)
_USE = re.compile(r"\s*USE\s+(?:DATABASE\s+)?(?P<database>`[^`]+`|\"[^\"]+\"|\w+)\s*;?\s*\Z", re.IGNORECASE)
# The client chooses how rows are shown; on the wire they are always Native.
_FORMAT = re.compile(r"\s*\bFORMAT\s+\w+\s*;?\s*\Z", re.IGNORECASE)
_ERROR = re.compile(r"Code: (\d+)\. (.*)", re.DOTALL)
_ZONELESS = re.compile(r"\bDateTime\b(?!\()")
_UNSTREAMABLE = "Streaming query is not supported"


class EngineError(Exception):
    """The engine refused a statement: its number in ClickHouse's list of errors, and its text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @classmethod
    def of(cls, error: Exception) -> "EngineError":
        found = _ERROR.search(str(error))
        if found is None:
            return cls(UNKNOWN_ERROR, f"DB::Exception: {error}")
        return cls(int(found[1]), found[2])


@dataclass(frozen=True)
class Engine:
    """Where the data is, and what holds for all sessions: the engine's settings, in its own names."""

    path: Path
    settings: Settings

    def connect(self) -> Any:
        options = "&".join(f"{name}={value}" for name, value in self.settings.items())
        return chdb.connect(f"{self.path}?{options}")


class Session:
    """A connection to the engine. Used by one thread at a time; `tag` names it in system.processes."""

    def __init__(self, engine: Engine, tag: str, database: str = "") -> None:
        self._engine = engine
        self._connection = engine.connect()
        self._database = ""
        self._side: Session | None = None
        self._applied: Settings = {}
        self._base: dict[str, str | None] = {}
        self.execute(f"SET log_comment = {quoted(tag)}")
        if database:
            self._use(identifier(database))

    def close(self) -> None:
        if self._side is not None:
            self._side.close()
        self._connection.close()

    def execute(self, sql: str) -> bytes:
        """Run a statement to its end; its rows in the format Native."""
        try:
            return bytes(self._connection.query(sql, "Native").bytes())
        except Exception as error:
            raise EngineError.of(error) from error

    def query(self, sql: str) -> Blocks:
        """Run a statement; its rows as blocks in the format Native, one after the other."""
        if _SET.match(sql):
            self._set(sql)
            return
        if found := _USE.match(sql):
            self._use(found["database"])
            return
        sql = _FORMAT.sub("", sql)
        if _STREAMED.match(sql):
            yield from self._stream(sql)
        else:
            yield from self._whole(sql)

    def _lost_types(self, sql: str, block: bytes) -> list[str] | None:
        """The types that an answer's blocks should carry; None where they do.

        The format Native leaves out the time zone of a DateTime, and the client would take it for the server's.
        """
        try:
            columns = columns_of(block)
        except UnsupportedType:
            return None
        if not any(_ZONELESS.search(kind) for _, kind in columns):
            return None
        described = self.columns_aside(sql)
        return [kind for _, kind in described] if described and described != columns else None

    def _use(self, database: str) -> None:
        """Make a database, its name quoted as the client did, that of this session."""
        self.execute(f"USE {database}")
        self._database = database

    def _whole(self, sql: str) -> list[bytes]:
        answer = self.execute(sql)
        try:
            return split(answer)
        except UnsupportedType:  # one block, as small answers are
            return [answer]

    def columns(self, sql: str) -> Columns:
        """Names and types of `DESCRIBE sql`, those left out that can't be inserted into."""
        try:
            answer = self._connection.query(f"DESCRIBE {sql}", "JSONCompactEachRow").bytes()
        except Exception as error:
            raise EngineError.of(error) from error
        rows = [json.loads(line) for line in answer.splitlines()]
        return [(row[0], row[1]) for row in rows if row[2] not in ("MATERIALIZED", "ALIAS")]

    def columns_of_answer(self, sql: str) -> Columns:
        """Names and types of what a query answers; none for statements that aren't queries.

        Not while blocks of this session are on their way, which it would end: see `columns_aside`.
        """
        if not _STREAMED.match(sql):
            return []
        try:
            return self.columns(f"TABLE ({_FORMAT.sub('', sql).rstrip().rstrip(';')})")
        except EngineError:
            return []

    def columns_aside(self, sql: str) -> Columns:
        """The same beside a running query: without this session's settings and temporary tables."""
        if self._side is None:
            self._side = Session(self._engine, "types")
        if self._database != self._side._database:
            self._side._use(self._database)
        return self._side.columns_of_answer(sql)

    def insert(self, statement: str, columns: Columns) -> "Insert":
        """Begin an insert of native blocks of these columns: `INSERT INTO ...` up to the columns' list."""
        return Insert(self, statement, columns)

    def apply(self, settings: dict[str, tuple[str, bool]]) -> None:
        """Make these, and no others, the settings of the next query: {name: (value, must be known)}.

        What an earlier query had set for itself goes back to the session's own value. An unknown setting is left
        out, as ClickHouse does, unless it must be known.
        """
        # The comment is how a session's statements are found when they must end.
        settings = {name: value for name, value in settings.items() if name != "log_comment"}
        if not settings and not self._applied:
            return
        self._learn(settings)
        wanted: Settings = {}
        for name, (value, important) in settings.items():
            if self._base[name] is not None:
                wanted[name] = value
            elif important:
                raise EngineError(UNKNOWN_SETTING, f"DB::Exception: Unknown setting '{name}'. (UNKNOWN_SETTING)")
        changes = {name: self._base[name] or "" for name in self._applied if name not in wanted}
        changes |= {name: value for name, value in wanted.items() if self._applied.get(name) != value}
        if changes:
            self.execute("SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in changes.items()))
        self._applied = wanted

    def _learn(self, settings: dict[str, tuple[str, bool]]) -> None:
        """Remember the session's own values of settings that are about to change."""
        names = [name for name in settings if name not in self._base]
        if not names:
            return
        listed = ", ".join(quoted(name) for name in names)
        sql = f"SELECT name, value FROM system.settings WHERE name IN ({listed})"  # noqa: S608 - quoted above
        answer = self._connection.query(sql, "JSONCompactEachRow").bytes()
        known = dict(json.loads(line) for line in answer.splitlines())
        self._base.update({name: known.get(name) for name in names})

    def _set(self, sql: str) -> None:
        # The client changes the session itself: query settings step aside, and values must be learnt anew.
        self.apply({})
        self._base.clear()
        self.execute(sql)

    def _stream(self, sql: str) -> Blocks:
        try:
            stream = self._connection.send_query(sql, "Native")
        except Exception as error:
            if _UNSTREAMABLE not in str(error):
                raise EngineError.of(error) from error
            yield from self._whole(sql)
            return
        types: list[str] | None = None
        try:
            for number, chunk in enumerate(stream):
                block = bytes(chunk.bytes())
                if number == 0:
                    types = self._lost_types(sql, block)
                yield block if types is None else retyped(block, types)
        except Exception as error:
            raise EngineError.of(error) from error
        finally:
            stream.close()


class Insert:
    """An insert under way. `append` whole blocks, then `finish`; `close` in any case.

    Blocks are kept as they came, in a file in memory, and the engine reads them from there: its own stream of
    inserted blocks keeps silent about errors that arise when it ends, such as a violated constraint.
    """

    def __init__(self, session: Session, statement: str, columns: Columns) -> None:
        structure = ", ".join(f"{identifier(name)} {kind}" for name, kind in columns)
        self._file = memory_file()
        source = f"file({quoted(self._file.path)}, 'Native', {quoted(structure)})"
        self._sql = f"{statement} SELECT * FROM {source}"  # noqa: S608 - quoted above
        self._session = session
        self._rows = self._kept_rows = self._kept_bytes = 0

    def append(self, block: Block) -> None:
        """Keep a block; write those kept when they are as many as ClickHouse writes at once."""
        self._file.write(block.data)
        self._kept_rows += block.rows
        self._kept_bytes += len(block.data)
        if self._kept_rows >= FLUSH_ROWS or self._kept_bytes >= FLUSH_BYTES:
            self._flush()

    def finish(self) -> int:
        """Write what remains. Returns the rows written in all."""
        if self._kept_rows:
            self._flush()
        return self._rows

    def close(self) -> None:
        self._file.close()

    def _flush(self) -> None:
        self._session.execute(self._sql)
        self._rows += self._kept_rows
        self._kept_rows = self._kept_bytes = 0
        self._file.empty()


@dataclass(frozen=True)
class MemoryFile:
    """A file that lives in memory and ends with this process, whatever ends it."""

    descriptor: int
    path: str

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]

    def empty(self) -> None:
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)

    def close(self) -> None:
        os.close(self.descriptor)
        if not self.path.startswith("/proc/"):
            Path(self.path).unlink()


def memory_file() -> MemoryFile:
    if sys.platform == "linux":
        descriptor = os.memfd_create("blocks")
        return MemoryFile(descriptor, f"/proc/self/fd/{descriptor}")
    # Elsewhere an ordinary temporary file must do, and outlives a kill.
    return MemoryFile(*tempfile.mkstemp(prefix="cakupan-blocks-"))


def quoted(value: str) -> str:
    """A string literal of SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """A name of SQL, whatever is in it."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
