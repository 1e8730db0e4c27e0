"""Which events of the log go to which province, and how they look there. Pure: records in, records out.

An event of a person goes to the province of their domicile, a move to both, an erasure to everyone: whoever has ever
had events of that person must forget them. Outreach goes to the province where it is, or to all if it is the nation's.
What the decoder refuses is a dead letter and goes nowhere.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence, Set
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from events import codec, outline, regions
from events.catalogue import ACTIVATION, BY_SCHEMA_ID, OUTREACH
from events.provinces import name_of

SOURCES = (ACTIVATION, OUTREACH)

# What CloudEvents calls attributes stands in headers (its Kafka binding, binary mode); the value is the event alone.
SPECVERSION = ("ce_specversion", b"1.0")
CONTENT_TYPE = ("content-type", b"application/avro")
OFFSET = "cakupan_offset"  # where the event stands in the log that it comes from: topic/partition/offset
ARRIVED = "cakupan_arrived"  # when it arrived there, UTC

_ABOUT = {ACTIVATION: "domicile", OUTREACH: "service_region"}
_TO_EVERYONE = "SubjectErased"
_MOVES = ("SubjectDeparted", "SubjectArrived")
_ISO = "%Y-%m-%dT%H:%M:%S%.3fZ"

Headers = list[tuple[str, bytes]]


class Record(NamedTuple):
    """A record of the log. `arrived_ms`: the broker's time of arrival, epoch milliseconds."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    arrived_ms: int


class Passed(NamedTuple):
    """A record as it goes to a province's topic, to the same partition number: key and value as they were."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: Headers


class _Row(NamedTuple):
    """A good event on its way to one province: its place in the batch, the region that it names there, its headers."""

    place: int
    province: int
    region: int
    headers: Headers


def route(topic: str, records: Sequence[Record], provinces: Set[int]) -> list[Passed]:
    """What of a topic's records goes to these provinces, in the same order.

    All partitions at once: what decoding costs for each type, however few there are, is most of it when little comes.
    """
    chosen = [records[index] for index in _candidates(topic, [each.value for each in records], provinces)]
    if not chosen:
        return []
    values = [each.value for each in chosen]
    decoded = codec.decode_batch(topic, values, [each.arrived_ms for each in chosen])
    places = codec.places(values, decoded)
    rows = [row for name, frame in decoded.frames.items() for row in _rows(topic, name, frame, places[name], provinces)]
    rows.sort(key=itemgetter(0))
    arrived = _iso(pl.Series([each.arrived_ms for each in chosen]))
    out = []
    for index, province, region, headers in rows:
        record = chosen[index]
        assert record.value is not None  # noqa: S101 -- it was decoded
        offset = (OFFSET, f"{topic}/{record.partition}/{record.offset}".encode())
        full = [*headers, _subject(region), CONTENT_TYPE, offset, (ARRIVED, arrived[index].encode())]
        out.append(Passed(_name_of(topic, province), record.partition, record.key, record.value, full))
    return out


def _candidates(topic: str, values: Sequence[bytes | None], provinces: Set[int]) -> list[int]:
    """Indexes of the records that may be for one of the provinces; the others need not be decoded."""
    seen = outline.read(topic, values)
    maybe = np.isin(provinces_of(seen.regions), list(provinces)) | (seen.regions == regions.NATION)
    if topic == ACTIVATION:
        ids = np.frombuffer(b"".join((each or b"")[1:5].ljust(4, b"\0") for each in values), ">u4")
        maybe |= np.isin(ids, _elsewhere_too())
    indexes: list[int] = np.flatnonzero(maybe & seen.readable).tolist()
    return indexes


def provinces_of(codes: outline.Longs) -> outline.Longs:
    """The province of each region; of the nation 0."""
    cuts = [codes >= 10**8, codes >= 10**4, codes >= 100]
    return np.select(cuts, [codes // 10**8, codes // 10**4, codes // 100], codes)


@functools.cache
def _elsewhere_too() -> list[int]:
    """Schema ids of what goes not only to the province of the domicile."""
    return [number for number, (event, _) in BY_SCHEMA_ID.items() if event.name in (_TO_EVERYONE, *_MOVES)]


def _rows(topic: str, name: str, frame: pl.DataFrame, places: Sequence[int], provinces: Set[int]) -> Iterator[_Row]:
    about = frame[_ABOUT[topic]].to_numpy()
    other = frame["counterpart"].fill_null(0).to_numpy() if name in _MOVES else np.zeros_like(about)
    kind = ("ce_type", name.encode())
    columns = zip(
        places,
        frame["event_id"].to_list(),
        frame["source"].to_list(),
        _iso(frame["occurred_at"]),
        about.tolist(),
        provinces_of(about).tolist(),
        other.tolist(),
        provinces_of(other).tolist(),
        strict=True,
    )
    for index, event_id, source, occurred, region, province, second, second_province in columns:
        headers = [SPECVERSION, ("ce_id", _text(event_id)), kind, _source(source), ("ce_time", occurred.encode())]
        if name == _TO_EVERYONE or province == regions.NATION:
            yield from (_Row(index, each, region, headers) for each in provinces)
            continue
        if province in provinces:
            yield _Row(index, province, region, headers)
        # Where both are of one province, the domicile is what it is about.
        if second and second_province != province and second_province in provinces:
            yield _Row(index, second_province, second, headers)


def _iso(times_ms: pl.Series) -> list[Any]:
    return times_ms.cast(pl.Datetime("ms")).dt.to_string(_ISO).to_list()


def _text(event_id: bytes) -> bytes:
    """An id as text: what `identity.as_text` gives, at a fifth of its cost."""
    digits = event_id.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}".encode()


@functools.cache
def _subject(region: int) -> tuple[str, bytes]:
    return "ce_subject", regions.format_code(region).encode()


@functools.lru_cache(10_000)
def _source(source: str) -> tuple[str, bytes]:
    return "ce_source", source.encode()


_name_of = functools.cache(name_of)
