"""Blocks compressed with LZ4, for clients that ask for it: frames of check-sum, method, sizes and bytes."""

import struct

import lz4.block  # type: ignore[import-untyped]
from clickhouse_cityhash.cityhash import CityHash128  # type: ignore[import-untyped]

from cakupan.embedded.wire import Reader

_LZ4, _NONE = 0x82, 0x02
_HEADER = struct.Struct("<BII")  # method, bytes of header and content, bytes of the content when unpacked
_CHECK_SUM_BYTES = 16
_FRAME_BYTES = 1 << 20


class Codec:
    """Both directions of one query's compressed blocks. `reader` gives the unpacked bytes of what comes in."""

    def __init__(self, packed: Reader) -> None:
        self._packed = packed
        self.reader = Reader(self._unpack)

    def _unpack(self) -> bytes:
        self._packed.compact()
        self._packed.skip(_CHECK_SUM_BYTES)  # loopback: TCP has checked it
        method, size, unpacked_size = _HEADER.unpack(self._packed.read(_HEADER.size))
        content = self._packed.read(size - _HEADER.size)
        if method == _NONE:
            return content
        if method != _LZ4:
            raise ConnectionError(f"compression method {method:#x} is not supported: use lz4 or none")
        unpacked: bytes = lz4.block.decompress(content, uncompressed_size=unpacked_size)
        return unpacked


def pack(data: bytes) -> bytes:
    """`data` as compressed frames."""
    return b"".join(_frame(data[start : start + _FRAME_BYTES]) for start in range(0, len(data), _FRAME_BYTES))


def _frame(data: bytes) -> bytes:
    content: bytes = lz4.block.compress(data, store_size=False)
    body = _HEADER.pack(_LZ4, len(content) + _HEADER.size, len(data)) + content
    check_sum = CityHash128(body)
    return struct.pack("<QQ", check_sum >> 64, check_sum & 0xFFFFFFFFFFFFFFFF) + body
