"""Packets of ClickHouse's native protocol, as a server reads and writes them at REVISION."""

from dataclasses import dataclass

from cakupan.embedded.wire import Reader, int32, text, varint

# The oldest revision whose settings travel as strings, so any setting can. Newer ones add what the format Native
# of the engine doesn't have: a byte of custom serialisation in each column, addenda, parameters.
REVISION = 54429

CLIENT_HELLO, CLIENT_QUERY, CLIENT_DATA, CLIENT_CANCEL, CLIENT_PING = 0, 1, 2, 3, 4
_HELLO, _DATA, _EXCEPTION, _PROGRESS, _PONG, _END = 0, 1, 2, 3, 4, 5

# A block's info: not an overflow, no bucket number.
BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"

PONG = varint(_PONG)
END_OF_STREAM = varint(_END)
DATA = varint(_DATA) + text("")  # up to the block's info, which is compressed with the block


@dataclass(frozen=True)
class Hello:
    revision: int
    database: str


@dataclass(frozen=True)
class Query:
    """settings: {name: (value, whether it must be known)}."""

    text: str
    settings: dict[str, tuple[str, bool]]
    compressed: bool


def read_hello(reader: Reader) -> Hello:
    reader.text()  # the client's name
    reader.varint(), reader.varint()  # its version
    revision, database = reader.varint(), reader.text()
    reader.text(), reader.text()  # user and password: there is one user, on loopback
    return Hello(revision, database)


def read_query(reader: Reader) -> Query:
    reader.text()  # the query's id: the engine gives its own
    _skip_client_info(reader)
    settings = {}
    while name := reader.text():
        flags = reader.uint8()
        settings[name] = (reader.text(), bool(flags & 1))
    reader.varint()  # the stage: always complete
    compressed = bool(reader.varint())
    return Query(reader.text(), settings, compressed)


def _skip_client_info(reader: Reader) -> None:
    if not reader.uint8():
        return
    for _ in ("initial user", "initial query id", "initial address"):
        reader.text()
    reader.uint8()  # interface
    for _ in ("system user", "host", "client"):
        reader.text()
    for _ in ("major", "minor", "revision"):
        reader.varint()
    reader.text()  # quota key
    reader.varint()  # patch


def hello(version: str, timezone: str, name: str) -> bytes:
    major, minor, patch = ([int(part) for part in version.split(".")[:3]] + [0, 0, 0])[:3]
    return b"".join(
        (varint(_HELLO), text("ClickHouse"), varint(major), varint(minor), varint(REVISION), text(timezone))
    ) + b"".join((text(name), varint(patch)))


def exception(code: int, message: str) -> bytes:
    """An error of the server: code, name, message, no stack trace, no nested one."""
    return varint(_EXCEPTION) + int32(code) + text("DB::Exception") + text(message) + text("") + b"\x00"


def written(rows: int) -> bytes:
    """Progress that tells only the rows written."""
    return varint(_PROGRESS) + varint(0) * 3 + varint(rows) + varint(0)
