"""Ways to spoil a record, and to spoil several at once. All randomness comes from the `Random` that is passed in."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random

from events import partial
from events.catalogue import BY_SCHEMA_ID
from events.codec import HEADER_BYTES, frame_header
from tests.fuzz import seeds

Mutation = Callable[[Random, bytes], bytes | None]

EXTREMES = [0, 1, 2, 5, 63, 64, 99, 200, 10_001, 2**27, 2**31, 2**32, 2**40, 2**53, 2**62, 2**63 - 1]
TEXTS = [
    b"",
    b"x" * 200,
    b"x" * 201,
    "é".encode() * 200,
    "é".encode() * 201,
    b"6101014502990001",
    "٦١٠١٠١٤٥٠٢٩٩٠٠٠١".encode(),
    b"6101 0145 0299 0001",
    b"6101-0145 0299.0001",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"a\0b",
]
DOUBLES = [0.0, -0.0, 1.0, 0.3, 744.0, 744.1, -1.0, float("nan"), float("inf"), float("-inf"), 5e-324]


def flip(rng: Random, raw: bytes) -> bytes:
    at = rng.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << rng.randrange(8)]) + raw[at + 1 :]


def overwrite(rng: Random, raw: bytes) -> bytes:
    at = rng.randrange(len(raw))
    new = rng.randbytes(rng.randint(1, 4))
    return raw[:at] + new + raw[at + len(new) :]


def cut(rng: Random, raw: bytes) -> bytes:
    return raw[: rng.randrange(len(raw))]


def lose(rng: Random, raw: bytes) -> bytes:
    at = rng.randrange(len(raw))
    return raw[:at] + raw[at + rng.randint(1, 8) :]


def add(rng: Random, raw: bytes) -> bytes:
    at = rng.randint(0, len(raw))
    return raw[:at] + rng.randbytes(rng.randint(1, 8)) + raw[at:]


def again(rng: Random, raw: bytes) -> bytes:
    at = rng.randrange(len(raw))
    end = at + rng.randint(1, 20)
    return raw[:end] + raw[at:end] + raw[end:]


def splice(rng: Random, raw: bytes) -> bytes:
    """The beginning of one record and the end of another, often of another type."""
    other = other_record(rng)
    return raw[: rng.randint(0, len(raw))] + other[rng.randint(0, len(other)) :]


def join(rng: Random, raw: bytes) -> bytes:
    return raw + other_record(rng)[rng.choice([0, HEADER_BYTES]) :]


def header(rng: Random, raw: bytes) -> bytes:
    known = frame_header(rng.choice(list(BY_SCHEMA_ID)))
    return rng.choice([known, frame_header(rng.randrange(600)), rng.randbytes(HEADER_BYTES)]) + raw[HEADER_BYTES:]


def magic(rng: Random, raw: bytes) -> bytes:
    return rng.randbytes(1) + raw[1:]


def noise(rng: Random, raw: bytes) -> bytes:
    return raw[:HEADER_BYTES] + rng.randbytes(rng.randrange(200))


def nothing(rng: Random, raw: bytes) -> bytes | None:
    return rng.choice([None, b"", raw[:HEADER_BYTES], raw[: HEADER_BYTES - 1]])


def number(rng: Random, raw: bytes) -> bytes:
    """A number of any size where a field begins: a value, a length, a choice, a branch, how many."""
    start, end = _field(rng, raw)
    taken = rng.choice([1, end - start])
    return (
        raw[:start] + varint(rng.choice([1, -1]) * rng.choice(EXTREMES) + rng.choice([0, 0, -1])) + raw[start + taken :]
    )


def longer(rng: Random, raw: bytes) -> bytes:
    """The number that a field begins with, the same one written with bytes to spare."""
    start, _ = _field(rng, raw)
    at = next((each for each in range(start, len(raw)) if raw[each] < 0x80), None)
    if at is None:
        return raw
    spare = bytes([raw[at] | 0x80]) + b"\x80" * rng.choice([0, 0, 1, 6, 9, 12])
    return raw[:at] + spare + bytes([rng.choice([0, 0, 0, 1, 2])]) + raw[at + 1 :]


def gentle(rng: Random, raw: bytes) -> bytes:
    """A change that leaves most records good: the last bit of a field, or the one before it."""
    _, end = _field(rng, raw)
    return raw[: end - 1] + bytes([raw[end - 1] ^ rng.choice([1, 2])]) + raw[end:] if end else raw


def text(rng: Random, raw: bytes) -> bytes:
    new = rng.choice(TEXTS)
    return _replaced(rng, raw, varint(len(new)) + new)


def given(rng: Random, raw: bytes) -> bytes:
    """Something where there was nothing: a branch, and what may follow it."""
    return _replaced(
        rng, raw, varint(rng.choice([0, 1, 1, 2, -1])) + rng.choice([b"", rng.randbytes(16), varint(7), b"\2x"])
    )


def double(rng: Random, raw: bytes) -> bytes:
    return _replaced(rng, raw, struct.pack("<d", rng.choice(DOUBLES)))


def blocks(rng: Random, raw: bytes) -> bytes:
    """A list in blocks, with its size in bytes, right or not."""
    codes = b"".join(varint(rng.choice([0, 61, 6101, 99])) for _ in range(2))
    size = varint(len(codes) + rng.choice([0, 0, 1, -1]))
    return _replaced(
        rng, raw, rng.choice([varint(-2) + size + codes, varint(2) + codes + varint(-2) + size + codes]) + b"\0"
    )


ANY: Sequence[Mutation] = (
    flip,
    flip,
    flip,
    gentle,
    gentle,
    overwrite,
    cut,
    lose,
    add,
    again,
    splice,
    join,
    header,
    magic,
    noise,
    nothing,
    number,
    number,
    number,
    longer,
    text,
    given,
    double,
    blocks,
)


def mutant(rng: Random, raw: bytes, mutations: Sequence[Mutation] = ANY) -> bytes | None:
    """One mutation, at times two or three on top of each other. Never the record as it was."""
    spoilt: bytes | None = raw
    while spoilt == raw:
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            if spoilt:
                spoilt = rng.choice(mutations)(rng, spoilt)
    return spoilt


def moved(rng: Random, first: bytes, second: bytes) -> tuple[bytes, bytes]:
    """Two records of one schema, the border between their bodies moved: what one lacks stands in the other."""
    body = first[HEADER_BYTES:] + second[HEADER_BYTES:]
    border = len(first) - HEADER_BYTES
    while border == len(first) - HEADER_BYTES:
        near = border + rng.randint(-3, 3)
        border = min(max(rng.choice([near, rng.randint(0, len(body))]), 0), len(body))
    return first[:HEADER_BYTES] + body[:border], second[:HEADER_BYTES] + body[border:]


def other_record(rng: Random) -> bytes:
    return rng.choice(seeds.records()[rng.choice(list(BY_SCHEMA_ID))])


def varint(number: int) -> bytes:
    """Any integer as Avro would write it, ones of more than 64 bits too."""
    zigzag = number << 1 if number >= 0 else (-number << 1) - 1
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def _replaced(rng: Random, raw: bytes, new: bytes) -> bytes:
    start, end = _field(rng, raw)
    return raw[:start] + new + raw[end:]


def _field(rng: Random, raw: bytes) -> tuple[int, int]:
    """Where some field that can be read begins and ends; anywhere, if none can."""
    if fields := partial.read(raw).fields:
        chosen = rng.choice(fields)
        return chosen.start, chosen.end
    return (start := rng.randint(0, len(raw))), min(start + 1, len(raw))
