"""Contracts: every example through every reader and writer, and bytes that are wrong in every way."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from typing import Any

import fastavro
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import codec, identity, jsonform, partial, rules
from events.catalogue import (
    ACTIVATION,
    EVENTS,
    TOPICS,
    EventType,
    Version,
    examples,
    parsed_schema,
    schema,
    schema_path,
)
from events.codec import Event
from events.errors import ContractError, UnreadableRecord

NOW = 1_782_000_000_000  # 2026-06-21


def all_versions() -> Iterator[tuple[EventType, Version]]:
    for event in EVENTS.values():
        for version in event.versions:
            yield event, version


def all_examples() -> Iterator[Any]:
    for event, version in all_versions():
        for index, given_ in enumerate(examples(event, version)):
            yield pytest.param(event, version, given_, id=f"{event.name}.v{version.number}[{index}]")


def framed(event: EventType, version: Version, given_: dict[str, Any]) -> bytes:
    return codec.encode(event.name, jsonform.values_of_version(event, version, given_, NOW), version)


def activated(n: int = 0) -> dict[str, Any]:
    event = EVENTS["Activated"]
    values = jsonform.from_json(examples(event, event.newest)[0], NOW).values
    return {**values, "event_id": identity.derived_event_id(values["occurred_at"], n)}


def batch(*records: bytes | None, topic: str = ACTIVATION) -> codec.Decoded:
    return codec.decode_batch(topic, records, [NOW] * len(records))


@pytest.mark.parametrize(("event", "version", "given_"), list(all_examples()))
def test_every_example_goes_through_both_readers_alike(
    event: EventType, version: Version, given_: dict[str, Any]
) -> None:
    raw = framed(event, version, given_)
    one = codec.decode(raw, event.topic)
    rules.check(one.values, NOW)
    many = batch(raw, raw, topic=event.topic)
    assert many.refused == []
    assert many.frames[event.name].to_dicts() == [{n: one.values[n] for n in codec.columns(event)}] * 2


@pytest.mark.parametrize(("event", "version", "given_"), list(all_examples()))
def test_the_fast_reader_takes_every_example(event: EventType, version: Version, given_: dict[str, Any]) -> None:
    raw = framed(event, version, given_)
    frame = codec._fast(version, [raw], [NOW])
    assert frame is not None
    assert {**dict(codec._frame_schema(event))} == dict(frame.select(codec.columns(event)).schema)


@pytest.mark.parametrize(("event", "version", "given_"), list(all_examples()))
def test_the_json_form_is_reversible(event: EventType, version: Version, given_: dict[str, Any]) -> None:
    written = jsonform.to_json(codec.decode(framed(event, version, given_), event.topic))
    assert jsonform.from_json(written, NOW).values == codec.decode(framed(event, version, given_), event.topic).values
    assert {**{k: v for k, v in written.items() if k in version.filled}, **given_} == written


@pytest.mark.parametrize(("event", "version", "given_"), list(all_examples()))
def test_another_reader_understands_the_schema_as_it_stands(
    event: EventType, version: Version, given_: dict[str, Any]
) -> None:
    raw = framed(event, version, given_)
    read = fastavro.schemaless_reader(io.BytesIO(raw[5:]), parsed_schema(version.schema_id), None)
    assert isinstance(read, dict)
    assert read["source"] == given_["source"]


def test_every_type_has_schema_examples_and_topic() -> None:
    ids = [version.schema_id for _, version in all_versions()]
    assert len(ids) == len(set(ids))
    for event, version in all_versions():
        assert event.topic in TOPICS
        assert schema_path(event, version).exists()
        assert schema(version.schema_id)["name"] == event.name
        assert examples(event, version)


def test_no_file_of_a_schema_or_example_lies_about_unused() -> None:
    used = {schema_path(event, version).name for event, version in all_versions()}
    folder = schema_path(EVENTS["Activated"], EVENTS["Activated"].newest).parent.parent
    assert {path.name for path in folder.rglob("*.avsc")} == used
    assert {path.stem for path in (folder.parent / "examples").glob("*.json")} == {
        n.removesuffix(".avsc") for n in used
    }


def test_an_old_version_is_read_as_the_newest() -> None:
    event = EVENTS["Activated"]
    old, new = event.versions
    raws = [framed(event, v, examples(event, v)[0]) for v in (old, new)]
    frame = batch(*raws).frames["Activated"]
    assert frame["device_class"].to_list() == ["unknown", "android_recent"]
    assert codec.decode(raws[0], ACTIVATION).values["device_class"] == "unknown"


GOOD = codec.encode("Activated", activated())


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "no value"),
        (b"", "not framed"),
        (b"{}", "not framed"),
        (b"\x01" + GOOD[1:], "not framed"),
        (codec.frame_header(9999) + b"x", "schema id 9999 is unknown"),
        (codec.frame_header(201) + b"x", "does not belong to topic"),
        (GOOD[:-1], "the bytes are no Activated"),
        (GOOD[:20], "the bytes are no Activated"),
        (GOOD + b"\x00", "1 bytes are left over"),
        (codec.encode("Activated", {**activated(), "event_id": bytes(16)}), "event_id: is no UUIDv7"),
        (codec.encode("Activated", {**activated(), "domicile": 6101019999}), "domicile: is no village"),
        (codec.encode("Activated", {**activated(), "domicile": 6101}), "domicile: is no village"),
        (codec.encode("Activated", {**activated(), "service_region": 99}), "service_region: is no region"),
        (codec.encode("Activated", {**activated(), "occurred_at": NOW + 86_400_001}), "occurred_at: lies before"),
        (codec.encode("Activated", {**activated(), "occurred_at": 1_640_995_199_999}), "occurred_at: lies before"),
        (codec.encode("Activated", {**activated(), "recorded_at": NOW + 86_400_001}), "recorded_at: lies before"),
        (codec.encode("Activated", {**activated(), "source": ""}), "source: is empty"),
        (codec.encode("Activated", {**activated(), "source": "x" * 201}), "source: is longer"),
        (codec.encode("Activated", {**activated(), "source": "6101014502990001"}), "source: holds 16 digits"),
    ],
)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_bad_record_is_refused_and_its_neighbours_are_kept(raw: bytes | None, reason: str, position: int) -> None:
    records: list[bytes | None] = [codec.encode("Activated", activated(n)) for n in (1, 2)]
    records.insert(position, raw)
    decoded = batch(*records)
    assert [each.index for each in decoded.refused] == [position]
    assert reason in decoded.refused[0].reason
    assert decoded.frames["Activated"].height == 2


NIKS = ["6101014502990001", "a6101014502990001b", "6101 0145 0299 0001", "610101-450299-0001", "61010145029900017"]


@pytest.mark.parametrize("text", NIKS)
def test_what_looks_like_a_nik_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ContractError) as caught:
        jsonform.from_json(
            {**examples(EVENTS["OutreachPlanned"], EVENTS["OutreachPlanned"].newest)[0], "place": text}, NOW
        )
    assert "16 digits" in str(caught.value)
    assert text not in str(caught.value)
    raw = codec.encode("Activated", {**activated(), "source": text})
    (refused,) = batch(raw).refused
    assert "16 digits" in refused.reason
    assert text not in refused.reason


@pytest.mark.parametrize("text", ["61.01.01.2001", "2024-06-30 10.15", "123456789012345", "RT 01 RW 02 no 12"])
def test_other_numbers_are_no_nik(text: str) -> None:
    assert not rules.looks_like_nik(text)


def test_a_whole_batch_of_noise_is_refused_record_by_record() -> None:
    noise = random.Random(1)
    records = [noise.randbytes(noise.randrange(200)) for _ in range(200)]
    records += [codec.frame_header(114) + noise.randbytes(noise.randrange(200)) for _ in range(200)]
    decoded = batch(*records)
    assert [each.index for each in decoded.refused] == list(range(400))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutated_bytes_never_move_a_neighbour(data: st.DataObject) -> None:
    """The two readers agree on every record of a batch with one mutated record, whatever the mutation."""
    good = [codec.encode("Activated", activated(n)) for n in range(3)]
    victim = data.draw(st.integers(0, 2))
    raw = bytearray(good[victim])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(5, max(5, len(raw) - 1)))
        action = data.draw(st.sampled_from(["set", "insert", "cut", "delete"]))
        if action == "set":
            raw[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
        elif action == "insert":
            raw[at:at] = data.draw(st.binary(min_size=1, max_size=5))
        elif action == "cut":
            del raw[at:]
        else:
            del raw[at : at + data.draw(st.integers(1, 5))]
    records: list[bytes | None] = [*good]
    records[victim] = bytes(raw)
    decoded = batch(*records)
    expected: list[dict[str, Any]] = []
    bad: list[int] = []
    for index, each in enumerate(records):
        try:
            values = codec.decode(each, ACTIVATION).values
            rules.check(values, NOW)
            expected.append(values)
        except ContractError:
            bad.append(index)
    assert [each.index for each in decoded.refused] == bad
    assert decoded.frames["Activated"].to_dicts() == expected


def with_bytes(name: str, field: str, new: bytes) -> bytes:
    """An example with other bytes in the place of a field."""
    event = EVENTS[name]
    raw = framed(event, event.newest, examples(event, event.newest)[0])
    (found,) = [each for each in partial.read(raw).fields if each.name == field]
    return raw[: found.start] + new + raw[found.end :]


def both(raw: bytes, topic: str) -> tuple[dict[str, Any] | None, codec.Decoded]:
    """What the reference makes of a record, and what the batch reader makes of it between two good ones."""
    event, version = next(each for each in all_versions() if each[0].topic == topic)
    good = framed(event, version, examples(event, version)[0])
    many = batch(good, raw, good, topic=topic)
    try:
        return codec.decode(raw, topic).values, many
    except UnreadableRecord:
        return None, many


@pytest.mark.parametrize("back", [1, 3, 10, 40])
def test_bytes_that_a_record_lacks_are_not_taken_from_the_next(back: int) -> None:
    """One behind the other they are two events; by themselves neither is one."""
    one, other = (codec.encode("Activated", activated(n)) for n in (1, 2))
    decoded = batch(one[:-back], other[:5] + one[-back:] + other[5:])
    assert [each.index for each in decoded.refused] == [0, 1]
    assert decoded.count == 0


@pytest.mark.parametrize(
    ("name", "field", "new"),
    [
        ("Activated", "outreach_id", b"\x04" + bytes(16)),  # a third branch of two
        ("Activated", "outreach_id", b"\x01" + bytes(16)),  # the first from the end
        ("Activated", "outreach_id", b"\x03"),  # the second from the end
        ("Activated", "sex", b"\x01"),  # the last choice, counted from the end
        ("Activated", "sex", b"\x06"),  # the fourth choice of three
        ("DenominatorReleased", "vintage", b"\x80\x80\x80\x80\x10"),  # 2**31
        ("DenominatorReleased", "vintage", b"\x81\x80\x80\x80\x10"),  # -2**31 - 1
        ("DenominatorReleased", "vintage", b"\x80" * 5 + b"\x01"),
        ("RefusalSettled", "sent_partition", b"\x02" + b"\x80" * 5 + b"\x01"),
        ("DenominatorReleased", "vintage", b"\xac\x9b\x82" + b"\x80" * 12 + b"\x00"),  # a number of 16 bytes
        ("DenominatorReleased", "vintage", b"\xac\x9b\x82" + b"\x80" * 12 + b"\x01"),
        ("SourceReported", "complete_until", b"\xff" * 9 + b"\x03"),  # a number of 65 bits
        ("SourceReported", "regions", b"\x01\x08\xb2\x01\x00"),  # a block of four bytes that has two
        ("SourceReported", "regions", b"\xff" * 9 + b"\x01\x00"),  # -2**63 regions
    ],
)
def test_what_no_writer_of_avro_writes_is_refused_by_both_readers(name: str, field: str, new: bytes) -> None:
    event, many = both(with_bytes(name, field, new), EVENTS[name].topic)
    assert event is None
    assert [each.index for each in many.refused] == [1]
    assert f"the bytes are no {name}" in many.refused[0].reason
    assert many.count == 2


@pytest.mark.parametrize(
    ("name", "field", "new", "value"),
    [
        ("SourceReported", "regions", b"\x01\x04\xaa\x5f\x00", [6101]),  # in a block that tells its bytes
        ("SourceReported", "regions", b"\x02\x7a\x02\xb6\x01\x00", [61, 91]),  # in two blocks
        ("SourceReported", "regions", b"\x00", []),
        ("RefusalSettled", "offset", b"\xfe" + b"\xff" * 8 + b"\x01", 2**63 - 1),
        ("RefusalSettled", "partition", b"\xfe\xff\xff\xff\x0f", 2**31 - 1),
        ("RefusalSettled", "partition", b"\xff\xff\xff\xff\x0f", -(2**31)),
        ("DenominatorReleased", "vintage", b"\x82\x80\x00", 1),  # with bytes to spare
    ],
)
def test_what_is_avro_in_another_way_is_read_by_both_readers(name: str, field: str, new: bytes, value: Any) -> None:
    event, many = both(with_bytes(name, field, new), EVENTS[name].topic)
    assert event is not None
    assert event[field] == value
    assert many.refused == []
    assert value in many.frames[name][field].to_list()


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda each: each.name)
def test_one_and_many_rules_agree_on_the_edges(event: EventType) -> None:
    good = jsonform.from_json(examples(event, event.newest)[0], NOW).values
    for name, (low, high, _) in rules.NUMBERS.items():
        if name not in good:
            continue
        kind = float if isinstance(good[name], float) else int
        for value in (low, high, low - 1, high + 1):
            raw = codec.encode(event.name, {**good, name: kind(value)})
            decoded = batch(raw, topic=event.topic)
            assert bool(decoded.refused) == (not low <= value <= high), (name, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "Activation"}, "type: must be one of"),
        ({"domicile": "61.01.01"}, "domicile: is no village"),
        ({"domicile": "61.01.99.2001"}, "domicile: no region has this code"),
        ({"domicile": 6101012001}, "domicile: a region code looks like"),
        ({"occurred_at": "yesterday"}, "occurred_at: must be a time such as"),
        ({"occurred_at": "2024-06-30T10:00:00"}, "occurred_at: must say its time zone"),
        ({"sex": "f"}, "sex: must be one of unknown, female, male"),
        ({"subject_id": "6101014502990001"}, "subject_id: holds 16 digits"),
        ({"subject_id": "abc"}, "subject_id: must be a UUID"),
        ({"nama": "x"}, "nama: no field of Activated"),
        ({"source": None}, "source: is missing"),
        ({"source": 5}, "source: must be text"),
    ],
)
def test_json_input_gets_a_clear_error(change: dict[str, Any], message: str) -> None:
    event = EVENTS["Activated"]
    with pytest.raises(ContractError) as caught:
        jsonform.from_json({**examples(event, event.newest)[0], **change}, NOW)
    assert message in str(caught.value)


def test_encoding_names_what_is_missing() -> None:
    with pytest.raises(ContractError, match="sex missing"):
        codec.encode("Activated", {k: v for k, v in activated().items() if k != "sex"})


def test_the_same_content_gets_the_same_id() -> None:
    event = EVENTS["Activated"]
    given_ = {k: v for k, v in examples(event, event.newest)[0].items() if k not in ("event_id", "recorded_at")}
    first, second = (jsonform.from_json(given_, now).values["event_id"] for now in (NOW, NOW + 5))
    other = jsonform.from_json({**given_, "sex": "male"}, NOW).values["event_id"]
    assert first == second != other
    assert identity.is_uuid7(first)


def test_an_unreadable_record_says_so() -> None:
    with pytest.raises(UnreadableRecord):
        codec.decode(b"\x00\x00\x00\x00\x72", ACTIVATION)


def test_frames_have_one_shape_whatever_the_reader() -> None:
    event = EVENTS["Activated"]
    careful, _ = codec._careful(event, ACTIVATION, [GOOD], [NOW])
    fast = codec._fast(event.newest, [GOOD], [NOW])
    assert fast is not None
    assert careful.select(codec.columns(event)).schema == fast.select(codec.columns(event)).schema
    assert isinstance(careful, pl.DataFrame)
    assert Event(event, careful.to_dicts()[0]).values == codec.decode(GOOD, ACTIVATION).values
