"""What a newer schema may do to what older ones wrote: each rule by hand, and against Apache's own implementation."""

from __future__ import annotations

import json
from typing import Any

import avro.schema
import fastavro
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from hypothesis import given, settings
from hypothesis import strategies as st

from events import compatibility
from events.catalogue import EVENTS, EventType, schema
from events.compatibility import breaks
from events.errors import IncompatibleSchema, InvalidSchema

COLOURS = {"type": "enum", "name": "Colour", "symbols": ["red", "green"]}
ID = {"type": "fixed", "name": "Id", "size": 16}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def record(*fields: dict[str, Any], name: str = "Thing", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "id.test", "fields": list(fields), **more}


def told(newer: Any, older: Any) -> list[str]:
    return [str(each) for each in breaks(newer, older)]


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.name)
def test_every_version_in_the_catalogue_reads_all_before_it(event: EventType) -> None:
    compatibility.require_compatible([event])


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.name)
def test_what_old_records_are_filled_with_is_the_default_of_the_schema(event: EventType) -> None:
    """A subscriber that reads with the newest schema sees what our own tables have."""
    newest = {each["name"]: each for each in schema(event.newest.schema_id)["fields"]}
    for version in event.versions:
        missing = newest.keys() - {each["name"] for each in schema(version.schema_id)["fields"]}
        assert {name: newest[name]["default"] for name in missing} == version.filled


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        pytest.param(record(field("a", "long")), record(field("a", "long"), field("b", "long")), id="field removed"),
        pytest.param(
            record(field("a", "long"), field("b", "long", default=0)), record(field("a", "long")), id="with a default"
        ),
        pytest.param(
            record(field("a", ["null", "long"], default=None)), record(field("a", "long")), id="may be null now"
        ),
        pytest.param(record(field("a", "double")), record(field("a", "int")), id="a wider number"),
        pytest.param(record(field("b", "long", aliases=["a"])), record(field("a", "long")), id="renamed by an alias"),
        pytest.param(
            record(field("a", {**COLOURS, "symbols": ["red", "green", "blue"]})),
            record(field("a", COLOURS)),
            id="symbol added",
        ),
        pytest.param(
            record(field("a", {**COLOURS, "symbols": ["red"], "default": "red"})),
            record(field("a", COLOURS)),
            id="symbol removed from an enum with a default",
        ),
        pytest.param(
            record(field("a", "long"), name="Other", aliases=["id.test.Thing"]),
            record(field("a", "long")),
            id="record renamed by an alias",
        ),
        pytest.param(record(field("a", "long", doc="New.")), record(field("a", "long", doc="Old.")), id="words"),
    ],
)
def test_what_is_allowed(newer: Any, older: Any) -> None:
    assert told(newer, older) == []


@pytest.mark.parametrize(
    ("newer", "older", "expected"),
    [
        (record(field("a", "long"), field("b", "long")), record(field("a", "long")), "b: added without a default"),
        (record(field("b", "long")), record(field("a", "long")), "b: added without a default"),
        (
            record(field("a", {**COLOURS, "symbols": ["red"]}, default="blue")),
            record(),
            "a: its default is none of its symbols ('blue' is none of red)",
        ),
        (record(field("a", "long")), record(field("a", "string")), "a: type changed (string -> long)"),
        (record(field("a", "int")), record(field("a", "long")), "a: type changed (long -> int)"),
        (record(field("a", ID)), record(field("a", "string")), "a: type changed (string -> fixed Id)"),
        (
            record(field("a", MICROS)),
            record(field("a", MILLIS)),
            "a: unit changed (timestamp-millis -> timestamp-micros)",
        ),
        (record(field("a", "long")), record(field("a", MILLIS)), "a: unit changed (timestamp-millis -> plain long)"),
        (
            record(field("a", {**COLOURS, "symbols": ["red", "blue"]})),
            record(field("a", COLOURS)),
            "a: enum symbols removed (green)",
        ),
        (
            record(field("a", {**COLOURS, "name": "Paint"})),
            record(field("a", COLOURS)),
            "a: name changed (id.test.Colour -> id.test.Paint)",
        ),
        (record(field("a", {**ID, "size": 8})), record(field("a", ID)), "a: size changed (16 -> 8 bytes)"),
        (
            record(field("a", ["null", {**ID, "size": 8}])),
            record(field("a", ["null", ID])),
            "a: size changed (16 -> 8 bytes)",
        ),
        (record(field("a", "long")), record(field("a", ["null", "long"])), "a: choice removed (null is none of long)"),
        (
            record(field("a", ["null", "boolean"])),
            record(field("a", "string")),
            "a: choice removed (string is none of null, boolean)",
        ),
        (
            record(field("a", {"type": "array", "items": record(field("b", "int"), name="Inner")})),
            record(field("a", {"type": "array", "items": record(field("b", "string"), name="Inner")})),
            "a[].b: type changed (string -> int)",
        ),
        (
            record(field("a", {"type": "map", "values": "int"})),
            record(field("a", {"type": "map", "values": "long"})),
            "a{}: type changed (long -> int)",
        ),
        (
            record(field("a", record(field("b", "long"), field("c", "long"), name="Inner"))),
            record(field("a", record(field("b", "long"), name="Inner"))),
            "a.c: added without a default",
        ),
        (
            record(field("a", "long"), name="Other"),
            record(field("a", "long")),
            "Thing: name changed (id.test.Thing -> id.test.Other)",
        ),
        ("int", "string", "the schema: type changed (string -> int)"),
    ],
)
def test_what_breaks_names_the_field_and_the_rule(newer: Any, older: Any, expected: str) -> None:
    assert told(newer, older) == [expected]


def test_every_break_is_told_once() -> None:
    older = record(field("a", "string"), field("b", COLOURS), field("c", "Colour"), field("d", ID))
    newer = record(
        field("a", "long"), field("b", {**COLOURS, "symbols": ["red"]}), field("c", "Colour"), field("e", ID)
    )
    assert told(newer, older) == [
        "a: type changed (string -> long)",
        "b: enum symbols removed (green)",
        "c: enum symbols removed (green)",
        "e: added without a default",
    ]


def test_a_record_that_contains_itself() -> None:
    older = record(field("value", "int"), field("next", ["null", "Thing"]))
    newer = record(field("value", "long"), field("next", ["null", "Thing"]))
    assert told(newer, older) == []
    assert told(older, newer) == ["value: type changed (long -> int)"]


def test_it_is_transitive() -> None:
    """Each reads the one before, and the third does not read the first."""
    first = record(field("a", "long"), field("b", "string"))
    second = record(field("a", "long"))
    third = record(field("a", "long"), field("b", "long", default=0))
    assert told(second, first) == told(third, second) == []
    with pytest.raises(IncompatibleSchema) as caught:
        compatibility.check_versions("topic-id.test.Thing", [(1, first), (2, second), (3, third)])
    assert str(caught.value).startswith(
        "topic-id.test.Thing: version 3 can't read what version 1 wrote (BACKWARD_TRANSITIVE):"
        " b: type changed (string -> long). Allowed are: a field added with a default,"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (5, "no Avro schema"),
        ({"type": "enum", "name": "A"}, "no Avro schema"),
        (record(field("a", "Nobody")), "unknown type id.test.Nobody"),
        (record({"type": "long"}), "missing 'name'"),
        (record(field("a", "long", default="x")), "must match schema type: long"),
    ],
)
def test_what_is_no_schema_is_told(given: Any, said: str) -> None:
    with pytest.raises(InvalidSchema, match=said):
        breaks(given, record())


PRIMITIVES = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "bytes", "string"])
DEFAULTS: dict[str, Any] = {"null": None, "boolean": True, "int": 1, "long": 1, "float": 1.5, "double": 1.5}
DEFAULTS |= {"bytes": "b", "string": "s"}


def named(at: str) -> st.SearchStrategy[Any]:
    symbols = st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, unique=True)
    enums = st.tuples(symbols, st.booleans()).map(
        lambda drawn: (
            {"type": "enum", "name": f"E{at}", "symbols": drawn[0]} | ({"default": drawn[0][0]} if drawn[1] else {})
        )
    )
    sizes = st.tuples(st.sampled_from(["F", "G"]), st.integers(1, 2))
    fixed = sizes.map(lambda drawn: {"type": "fixed", "name": f"{drawn[0]}{at}", "size": drawn[1]})
    return st.one_of(enums, fixed)


def kinds(at: str, depth: int) -> st.SearchStrategy[Any]:
    """Types whose names end in `at`, the place where they stand: no name stands for two things in one schema."""
    plain = st.one_of(PRIMITIVES, named(at))
    if depth == 0:
        return plain
    inner = kinds(at + "i", depth - 1)
    choices = st.tuples(PRIMITIVES.filter(lambda each: each != "null"), st.booleans()).map(
        lambda drawn: ["null", drawn[0]] if drawn[1] else [drawn[0], "null"]
    )
    return st.one_of(
        plain,
        choices,
        inner.map(lambda each: {"type": "array", "items": each}),
        inner.map(lambda each: {"type": "map", "values": each}),
        records(at + "r", depth - 1),
    )


def fields(name: str, at: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    def build(drawn: tuple[Any, bool]) -> dict[str, Any]:
        kind, with_default = drawn
        default = {"default": DEFAULTS[kind]} if with_default and isinstance(kind, str) else {}
        return field(name, kind, **default)

    return st.tuples(kinds(at + name, depth), st.booleans()).map(build)


def records(at: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(st.sampled_from("abc"), unique=True).flatmap(
        lambda names: st.tuples(*(fields(name, at, depth) for name in names))
    )
    return several.map(lambda drawn: record(*drawn, name=f"R{at}"))


@settings(max_examples=400, deadline=None)
@given(records("", 2), records("", 2))
def test_the_verdict_is_apaches(newer: dict[str, Any], older: dict[str, Any]) -> None:
    fastavro.parse_schema(json.loads(json.dumps(newer)))
    reader, writer = (avro.schema.parse(json.dumps(each)) for each in (newer, older))
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    apaches = checker.get_compatibility(reader, writer).compatibility
    assert (breaks(newer, older) == []) == (apaches is SchemaCompatibilityType.compatible)
