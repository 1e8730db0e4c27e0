"""What the decoder should have made of a batch, record by record, and where it made something else of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from cakupan.commands.dead_letters import safe_bytes
from events import codec, partial, rules
from events.catalogue import BY_SCHEMA_ID, EVENTS
from events.codec import Decoded, Event
from events.errors import ContractError

Raw = bytes | None


def reference(raw: Raw, topic: str, arrived: int) -> Event | None:
    """The event that a record is, by itself; None where it is none."""
    try:
        event = codec.decode(raw, topic)
        rules.check(event.values, arrived)
    except ContractError:
        return None
    return event


def faults(records: Sequence[Raw], expected: Sequence[Event | None], decoded: Decoded) -> Iterator[str]:
    """Where the batch reader and the reference differ: on what a record is, on a value, on the shape."""
    refused = [each.index for each in decoded.refused]
    dead = [index for index, event in enumerate(expected) if event is None]
    for index in sorted(set(refused) ^ set(dead)):
        yield f"record {index} {'is refused' if index in refused else 'is a row'}: {_hex(records[index])}"
    if len(refused) != len(set(refused)) or not all(each.reason for each in decoded.refused):
        yield "a record is refused twice, or without a reason"
    if decoded.count + len(refused) != len(records):
        yield f"{decoded.count} rows and {len(refused)} refused of {len(records)}"
    yield from _differing_rows(expected, decoded)


def _differing_rows(expected: Sequence[Event | None], decoded: Decoded) -> Iterator[str]:
    wanted: dict[str, list[str]] = defaultdict(list)
    for event in expected:
        if event is not None:
            wanted[event.type.name].append(repr({name: event.values[name] for name in codec.columns(event.type)}))
    for name in sorted(wanted.keys() | decoded.frames.keys()):
        frame = decoded.frames.get(name)
        if frame is None or dict(frame.schema) != dict(codec._frame_schema(EVENTS[name])):
            yield f"the columns of {name} are others"
            continue
        rows = [repr(row) for row in frame.to_dicts()]
        if sorted(rows) != sorted(wanted[name]):
            yield f"{name}: {sorted(set(rows) ^ set(wanted[name]))[:4]}"


def faults_of_the_page(raw: Raw, topic: str) -> Iterator[str]:
    """Where the walker that the page of dead letters rests on and the reference differ on what a record is."""
    reading = partial.read(raw)
    safe_bytes(raw, reading)
    event, version = BY_SCHEMA_ID.get(reading.schema_id or 0, (None, None))
    if event is None or version is None or event.topic != topic:
        return
    try:
        values = codec.decode(raw, topic).values
    except ContractError:
        if not reading.stopped:
            yield f"the page reads what is no {event.name}: {_hex(raw)}"
        return
    read = version.filled | {each.name: each.value for each in reading.fields}
    if reading.stopped or repr(sorted(read.items())) != repr(sorted(values.items())):
        yield f"the page reads another {event.name}: {_hex(raw)}"


def _hex(raw: Raw) -> str:
    return "no value" if raw is None else raw.hex()
