"""Bytes to events and back: Confluent framing (a zero byte, a 4-byte schema id, an Avro body).

Two readers of the same bytes. `decode` is the reference: fastavro, one record, every error named. `decode_batch` is
the fast one: bodies of one schema, set behind the header of an Avro container, are a valid Avro file, which polars
reads into columns at once. Avro has no check-sum, so a short or long body shifts its neighbours: every row is checked
afterwards, what it says (`events/rules.py`) and where it stood (`events/layout.py`), and on any doubt that schema's
records go through `decode`, one by one.
"""

from __future__ import annotations

import functools
import io
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import fastavro
import numpy as np
import polars as pl

from events import layout, rules, walk
from events.catalogue import BY_SCHEMA_ID, EVENTS, EventType, Version, schema
from events.errors import ContractError, RuleBroken, UnreadableRecord

Values = dict[str, Any]

MAGIC = 0
HEADER_BYTES = 5
_SYNC = b"cakupan-a-marker"
assert len(_SYNC) == 16  # noqa: S101 -- the container's format fixes it


@dataclass(frozen=True)
class Event:
    """A decoded event, in the newest version's fields. Times are epoch milliseconds, dates days, codes numbers."""

    type: EventType
    values: Values


@dataclass(frozen=True)
class Refused:
    """A record of a batch that could not be taken in: its index in the batch, and why."""

    index: int
    reason: str


@dataclass
class Decoded:
    """A batch in columns: a frame for each event type that it holds, and what was refused."""

    frames: dict[str, pl.DataFrame] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(frame.height for frame in self.frames.values())


def encode(name: str, values: Values, version: Version | None = None) -> bytes:
    """An event as framed Avro bytes. `values` as in `Event`. Raises ContractError where they don't fit the schema."""
    version = version or EVENTS[name].newest
    body = io.BytesIO()
    try:
        fastavro.schemaless_writer(body, _plain_schema(version.schema_id), values, strict_allow_default=True)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, IndexError) as error:
        raise ContractError(f"{name} does not fit its schema: {_missing(version, values)}") from error
    return frame_header(version.schema_id) + body.getvalue()


def frame_header(schema_id: int) -> bytes:
    return bytes([MAGIC]) + schema_id.to_bytes(4, "big")


def decode(raw: bytes | None, topic: str) -> Event:
    """One record, by fastavro. Raises UnreadableRecord. Does not check the rules: see `rules.check`."""
    event, version = _identify(raw, topic)
    assert raw is not None  # noqa: S101 -- _identify refuses None
    body = io.BytesIO(raw)
    body.seek(HEADER_BYTES)
    try:
        values: Values = fastavro.schemaless_reader(body, _plain_schema(version.schema_id), None)
    except Exception as error:  # whatever a decoder raises on arbitrary bytes is the same news: they are not this type
        raise UnreadableRecord(_no(event, version)) from error
    if body.tell() != len(raw):
        raise UnreadableRecord(f"{len(raw) - body.tell()} bytes are left over after a {event.name}")
    if not _strict(version, values, raw):
        raise UnreadableRecord(_no(event, version))
    return Event(event, {**version.filled, **values})


def decode_batch(topic: str, records: Sequence[bytes | None], arrived_ms: Sequence[int]) -> Decoded:
    """All records of a fetched batch. `arrived_ms` is the broker's time of arrival of each, epoch milliseconds.

    Nothing is dropped: every index is a row of a frame or is refused with a reason.
    """
    out = Decoded()
    pieces: dict[str, list[pl.DataFrame]] = defaultdict(list)
    for header, indexes in _by_header(records).items():
        try:
            event, version = _identify(header, topic)
        except UnreadableRecord as error:
            out.refused += [Refused(index, str(error)) for index in indexes]
            continue
        bodies = [records[index] for index in indexes]
        arrived = [arrived_ms[index] for index in indexes]
        frame = _fast(version, bodies, arrived)
        if frame is None:
            frame, refused = _careful(event, topic, bodies, arrived)
            out.refused += [Refused(indexes[each.index], each.reason) for each in refused]
        pieces[event.name].append(frame.select(columns(event)))
    out.frames = {name: pl.concat(frames) for name, frames in pieces.items() if sum(map(len, frames))}
    out.refused.sort(key=lambda each: each.index)
    return out


def places(records: Sequence[bytes | None], decoded: Decoded) -> dict[str, list[int]]:
    """By event type: the index in the batch of each row of its frame. `decoded`: what `decode_batch` made of it."""
    refused = {each.index for each in decoded.refused}
    out: dict[str, list[int]] = {name: [] for name in decoded.frames}
    for header, indexes in _by_header(records).items():
        known = BY_SCHEMA_ID.get(int.from_bytes((header or b"")[1:], "big"))
        if known is not None and known[0].name in out:
            out[known[0].name] += [index for index in indexes if index not in refused]
    return out


@functools.cache
def columns(event: EventType) -> list[str]:
    """Names of the newest version's fields, in order."""
    return [each["name"] for each in schema(event.newest.schema_id)["fields"]]


def _by_header(records: Sequence[bytes | None]) -> dict[bytes | None, list[int]]:
    groups: dict[bytes | None, list[int]] = defaultdict(list)
    for index, raw in enumerate(records):
        groups[raw[:HEADER_BYTES] if raw is not None else None].append(index)
    return groups


def _identify(raw: bytes | None, topic: str) -> tuple[EventType, Version]:
    if raw is None:
        raise UnreadableRecord("the record has no value; nothing in this topic is deleted by key")
    if len(raw) < HEADER_BYTES or raw[0] != MAGIC:
        raise UnreadableRecord("the record is not framed Avro: a zero byte and a 4-byte schema id come first")
    schema_id = int.from_bytes(raw[1:HEADER_BYTES], "big")
    if schema_id not in BY_SCHEMA_ID:
        raise UnreadableRecord(f"schema id {schema_id} is unknown")
    event, version = BY_SCHEMA_ID[schema_id]
    if event.topic != topic:
        raise UnreadableRecord(f"{event.name} does not belong to topic {topic}")
    return event, version


def _strict(version: Version, values: Values, raw: bytes) -> bool:
    """Whether these bytes are Avro for the values that fastavro, which is lenient, read from them.

    What is written again as it stood is; only numbers without bounds are written as leniently. Lists in blocks are not
    written so, and are Avro all the same: those bytes are walked through.
    """
    if any(values[name] is not None and not -(2**31) <= values[name] < 2**31 for name in _ints(version.schema_id)):
        return False
    again = io.BytesIO()
    fastavro.schemaless_writer(again, _plain_schema(version.schema_id), values)
    if again.getvalue() == raw[HEADER_BYTES:]:
        return True
    return walk.whole(schema(version.schema_id)["fields"], raw, HEADER_BYTES)


@functools.cache
def _ints(schema_id: int) -> list[str]:
    """Fields of 32 bits."""
    plain = _plain_schema(schema_id)["fields"]
    return [each["name"] for each in plain if "int" in _kinds(each["type"])]


def _kinds(kind: Any) -> list[Any]:
    if isinstance(kind, list):
        return [name for each in kind for name in _kinds(each)]
    return [kind["type"] if isinstance(kind, dict) else kind]


def _no(event: EventType, version: Version) -> str:
    return f"the bytes are no {event.name} version {version.number}"


def _fast(version: Version, bodies: Sequence[bytes | None], arrived: Sequence[int]) -> pl.DataFrame | None:
    """The columns, or None on any doubt."""
    cut = [raw[HEADER_BYTES:] for raw in bodies if raw is not None]
    container = _container(version.schema_id, cut)
    try:
        frame = pl.read_avro(io.BytesIO(container))
    except BaseException as error:  # polars' reader panics on some bytes, and a PanicException is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        return None
    if frame.height != len(bodies) + 1:
        return None
    frame, last = _normal(frame, version).head(len(bodies)), frame.tail(1)
    if last["event_id"][0] != _SENTINEL_ID:  # bytes left over in the last body moved the sentinel
        return None
    begin = len(container) - len(_tail(version.schema_id))
    sizes = np.array([0, *map(len, cut)])
    if not layout.matches(frame, schema(version.schema_id)["fields"], container, begin - sizes.sum() + sizes.cumsum()):
        return None
    return None if rules.broken_rows(frame, pl.Series(arrived, dtype=pl.Int64)).any() else frame


def _careful(
    event: EventType, topic: str, bodies: Sequence[bytes | None], arrived: Sequence[int]
) -> tuple[pl.DataFrame, list[Refused]]:
    good: list[Values] = []
    refused: list[Refused] = []
    for index, (raw, at) in enumerate(zip(bodies, arrived, strict=True)):
        try:
            values = decode(raw, topic).values
            rules.check(values, at)
        except RuleBroken as error:
            refused.append(Refused(index, f"{event.name}: {error}"))
        except ContractError as error:
            refused.append(Refused(index, str(error)))
        else:
            good.append(values)
    return pl.DataFrame(good, schema=_frame_schema(event), orient="row"), refused


def _normal(frame: pl.DataFrame, version: Version) -> pl.DataFrame:
    """Times and dates as the integers they are, choices as text, the columns of newer versions filled."""
    plain = frame.with_columns(
        pl.col(pl.Datetime).cast(pl.Int64), pl.col(pl.Date).cast(pl.Int32), pl.col(pl.Categorical).cast(pl.String)
    )
    return plain.with_columns(pl.lit(value).alias(name) for name, value in version.filled.items())


@functools.cache
def _frame_schema(event: EventType) -> dict[str, Any]:
    empty = pl.read_avro(io.BytesIO(_container(event.newest.schema_id, [])))
    return dict(_normal(empty, event.newest).schema)


def _container(schema_id: int, bodies: Sequence[bytes]) -> bytes:
    """An Avro object container of the bodies of one schema, and a sentinel record behind them."""
    body = b"".join(bodies)
    head = _container_head(schema_id) + _varint(len(bodies) + 1)
    return b"".join((head, _varint(len(body) + len(_sentinel(schema_id))), body, _tail(schema_id)))


@functools.cache
def _tail(schema_id: int) -> bytes:
    return _sentinel(schema_id) + _SYNC


@functools.cache
def _container_head(schema_id: int) -> bytes:
    # Defaults are for readers of other versions; polars refuses one on an enum.
    fields = [{name: each[name] for name in each if name != "default"} for each in schema(schema_id)["fields"]]
    writer = {**schema(schema_id), "fields": fields}
    meta = {"avro.schema": json.dumps(writer).encode(), "avro.codec": b"null"}
    entries = b"".join(_varint(len(key)) + key.encode() + _varint(len(value)) + value for key, value in meta.items())
    return b"Obj\x01" + _varint(len(meta)) + entries + _varint(0) + _SYNC


_SENTINEL_ID = b"cakupan sentinel"


@functools.cache
def _sentinel(schema_id: int) -> bytes:
    values = {each["name"]: _zero(each["type"]) for each in schema(schema_id)["fields"]}
    body = io.BytesIO()
    fastavro.schemaless_writer(body, _plain_schema(schema_id), {**values, "event_id": _SENTINEL_ID})
    return body.getvalue()


def _zero(kind: Any) -> Any:
    if isinstance(kind, list):
        return None
    name = kind["type"] if isinstance(kind, dict) else kind
    if name == "enum":
        return kind["symbols"][0]
    return {"fixed": bytes(16), "string": "", "double": 0.0, "array": []}.get(name, 0)


def _varint(number: int) -> bytes:
    """A non-negative long as Avro writes it: zigzag, seven bits a byte."""
    number <<= 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


@functools.cache
def _plain_schema(schema_id: int) -> dict[str, Any]:
    """The schema without logical types: the same bytes, and times stay integers on both ways."""
    parsed: dict[str, Any] = fastavro.parse_schema(_without_logical_types(schema(schema_id)))
    return parsed


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_logical_types(each) for each in node]
    if isinstance(node, dict):
        return {key: _without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    return node


def _missing(version: Version, values: Values) -> str:
    wanted = {each["name"] for each in schema(version.schema_id)["fields"]}
    if absent := sorted(wanted - values.keys()):
        return f"{', '.join(absent)} missing"
    return "a value has the wrong type"
