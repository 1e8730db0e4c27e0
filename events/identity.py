"""Ids of events: UUIDv7 (RFC 9562), new or derived from content."""

from __future__ import annotations

import hashlib
import secrets
import uuid

_TIME_BITS = 48


def new_event_id(at_ms: int) -> bytes:
    """A fresh UUIDv7 for an event recorded at `at_ms` (epoch milliseconds). 16 bytes, big-endian."""
    return _uuid7(at_ms, secrets.token_bytes(10))


def derived_event_id(at_ms: int, *content: str | bytes | int) -> bytes:
    """The UUIDv7 that the same content always gets, so that sending a file twice adds nothing.

    `at_ms` is epoch milliseconds; the 74 free bits are a BLAKE2b digest of the parts, each with its length,
    so that ("ab", "c") and ("a", "bc") differ.
    """
    digest = hashlib.blake2b(digest_size=10)
    for part in content:
        raw = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return _uuid7(at_ms, digest.digest())


def event_time_ms(event_id: bytes) -> int:
    """Epoch milliseconds inside a UUIDv7."""
    return int.from_bytes(event_id[:6], "big")


def is_uuid7(event_id: bytes) -> bool:
    return len(event_id) == 16 and event_id[6] >> 4 == 7 and event_id[8] >> 6 == 2


def as_text(raw: bytes) -> str:
    return str(uuid.UUID(bytes=raw))


def _uuid7(at_ms: int, random: bytes) -> bytes:
    head = (at_ms % (1 << _TIME_BITS)).to_bytes(6, "big")
    tail = bytearray(random)
    tail[0] = 0x70 | (tail[0] & 0x0F)
    tail[2] = 0x80 | (tail[2] & 0x3F)
    return head + bytes(tail)
