"""Bytes of ClickHouse's native protocol: reading them from a stream, and writing packets."""

import socket
import struct
from collections.abc import Callable

RECEIVE_BYTES = 1 << 20


class Reader:
    """A growing buffer in front of a stream. `fill` returns the next bytes, and none at the end.

    Bytes from `position` on are unread; those before it stay until `compact`, so a caller can skip over a block and
    then take it whole. Raises ConnectionError when the stream ends inside a value.
    """

    def __init__(self, fill: Callable[[], bytes]) -> None:
        self.fill = fill
        self.buffer = bytearray()
        self.position = 0

    @classmethod
    def of_socket(cls, connection: socket.socket) -> "Reader":
        return cls(lambda: connection.recv(RECEIVE_BYTES))

    def compact(self) -> None:
        """Forget what was read."""
        del self.buffer[: self.position]
        self.position = 0

    def more(self) -> None:
        """Wait for at least one more byte."""
        received = self.fill()
        if not received:
            raise ConnectionError("the client has gone")
        self.buffer += received

    def need(self, size: int) -> None:
        while len(self.buffer) - self.position < size:
            self.more()

    def skip(self, size: int) -> None:
        self.need(size)
        self.position += size

    def taken(self, start: int) -> bytes:
        """The bytes from `start` up to the position."""
        with memoryview(self.buffer) as view:
            return bytes(view[start : self.position])

    def read(self, size: int) -> bytes:
        start = self.position
        self.skip(size)
        return self.taken(start)

    def uint8(self) -> int:
        self.need(1)
        self.position += 1
        return self.buffer[self.position - 1]

    def uint64(self) -> int:
        return int.from_bytes(self.read(8), "little")

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.uint8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self) -> str:
        return self.read(self.varint()).decode("utf-8", "surrogateescape")


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogateescape")
    return varint(len(encoded)) + encoded


def int32(value: int) -> bytes:
    return struct.pack("<i", value)
