"""Whether a newer version of a schema reads what older ones wrote: by Avro's rules, and with the field that does not.

BACKWARD_TRANSITIVE: every version reads the records of all versions before it. A topic keeps its records for ever, so a
subscriber that begins at its start meets every version. One rule is our own: a unit (Avro's logical type) never
changes, though Avro would read milliseconds as microseconds without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from events.catalogue import EVENTS, EventType, schema
from events.errors import IncompatibleSchema, InvalidSchema

LEVEL = "BACKWARD_TRANSITIVE"
ALLOWED = (
    "allowed are: a field added with a default, a field removed, an enum symbol added, a wider number"
    " (int to long, float or double; long to float or double; float to double), string and bytes for each other"
)

# What a break breaks; the words are the ones that people read.
NO_DEFAULT = "added without a default"
BAD_DEFAULT = "its default is none of its symbols"
TYPE_CHANGED = "type changed"
UNIT_CHANGED = "unit changed"
SYMBOLS_REMOVED = "enum symbols removed"
NAME_CHANGED = "name changed"
SIZE_CHANGED = "size changed"
CHOICE_REMOVED = "choice removed"

_WIDER = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
_NAMED = ("record", "enum", "fixed")
_UNIT = ("logicalType", "precision", "scale")


@dataclass(frozen=True)
class Break:
    """One place where a newer schema can't read what an older one wrote.

    path: field names with dots, `[]` for the items of a list, `{}` for the values of a map; the record's name where it
    is the record itself. rule: one of the words above. detail: what was and what is.
    """

    path: str
    rule: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}" + (f" ({self.detail})" if self.detail else "")


def require_compatible(events: Iterable[EventType] | None = None) -> None:
    """Raise IncompatibleSchema unless every type's versions read the ones before; names each field and its rule.

    events: by default the whole catalogue.
    """
    for event in EVENTS.values() if events is None else events:
        check_versions(event.subject, [(each.number, schema(each.schema_id)) for each in event.versions])


def check_versions(subject: str, versions: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """The same for the versions of one subject, oldest first: each of them with all before it."""
    for at, (number, newer) in enumerate(versions):
        for older_number, older in versions[:at]:
            if found := breaks(newer, older):
                raise refusal(subject, number, older_number, found)


def refusal(subject: str, number: int, older: int, found: Sequence[Break]) -> IncompatibleSchema:
    """What to raise for the breaks between two versions of a subject."""
    told = "; ".join(map(str, found))
    return IncompatibleSchema(
        f"{subject}: version {number} can't read what version {older} wrote ({LEVEL}): {told}. {ALLOWED.capitalize()}"
    )


def breaks(reader: Any, writer: Any) -> list[Break]:
    """Every place where `reader`, the newer schema, can't read what `writer` wrote; empty where it reads all.

    Both as their JSON stands. Raises InvalidSchema for what is no Avro schema.
    """
    new, old = _Names.of(reader), _Names.of(writer)
    return list(dict.fromkeys(_Comparison(new, old).compare("", new.root, old.root)))


@dataclass(frozen=True)
class _Names:
    """A schema whose names are resolved: `root`, and the named types in it."""

    root: Any
    named: Mapping[str, Any]

    @classmethod
    def of(cls, given: Any) -> _Names:
        named: dict[str, Any] = {}
        try:
            return cls(fastavro.parse_schema(given, named_schemas=named), named)
        except (SchemaParseException, UnknownType, TypeError, KeyError) as error:
            reason = f"unknown type {error}" if isinstance(error, UnknownType) else str(error)
            raise InvalidSchema(f"no Avro schema: {reason}") from None

    def resolve(self, given: Any) -> Any:
        """A primitive as a dict, a name as what it names; a union stays a list."""
        if isinstance(given, str):
            return self.named.get(given, {"type": given})
        if isinstance(given, dict) and not (isinstance(given["type"], str) and given["type"] not in self.named):
            return self.resolve(given["type"])
        return given


class _Comparison:
    """Reader against writer, in the manner of the specification's section on schema resolution."""

    def __init__(self, reader: _Names, writer: _Names) -> None:
        self._reader = reader
        self._writer = writer
        self._open: set[tuple[str, str]] = set()  # records that contain themselves

    def compare(self, path: str, reader: Any, writer: Any) -> Iterator[Break]:
        new, old = self._reader.resolve(reader), self._writer.resolve(writer)
        if isinstance(old, list):
            for branch in old:
                yield from self._choice(path, new if isinstance(new, list) else [new], self._writer.resolve(branch))
        elif isinstance(new, list):
            yield from self._choice(path, new, old)
        elif new["type"] != old["type"]:
            yield from self._promotion(path, new, old)
        else:
            yield from self._same_type(path, new, old)

    def _choice(self, path: str, choices: list[Any], old: Mapping[str, Any]) -> Iterator[Break]:
        tried = [(self._reader.resolve(each), list(self.compare(path, each, old))) for each in choices]
        if not all(found for _, found in tried):
            return
        # One choice of the same kind and name: what is wrong inside it says more than that nothing fits.
        alike = [found for new, found in tried if new["type"] == old["type"] and _same_name(new, old)]
        if len(alike) == 1:
            yield from alike[0]
            return
        yield Break(path or "the schema", CHOICE_REMOVED, f"{_kind(old)} is none of {', '.join(map(_kind, choices))}")

    def _promotion(self, path: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[Break]:
        if new["type"] not in _WIDER.get(old["type"], ()):
            yield Break(path or "the schema", TYPE_CHANGED, f"{_kind(old)} -> {_kind(new)}")
        else:
            yield from _unit(path, new, old)

    def _same_type(self, path: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[Break]:
        kind = new["type"]
        if kind in _NAMED and not _same_name(new, old):
            yield Break(path or _plain(old["name"]), NAME_CHANGED, f"{old['name']} -> {new['name']}")
        if kind == "record":
            yield from self._fields(path, new, old)
        elif kind == "enum":
            yield from _symbols(path, new, old)
        elif kind == "fixed" and new["size"] != old["size"]:
            yield Break(path or _plain(new["name"]), SIZE_CHANGED, f"{old['size']} -> {new['size']} bytes")
        elif kind == "array":
            yield from self.compare(f"{path}[]", new["items"], old["items"])
        elif kind == "map":
            yield from self.compare(f"{path}{{}}", new["values"], old["values"])
        yield from _unit(path, new, old)

    def _fields(self, path: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[Break]:
        pair = (new["name"], old["name"])
        if pair in self._open:
            return
        self._open.add(pair)
        written = {each["name"]: each for each in old["fields"]}
        for each in new["fields"]:
            place = f"{path}.{each['name']}" if path else each["name"]
            known = next((name for name in (each["name"], *each.get("aliases", ())) if name in written), None)
            if known is not None:
                yield from self.compare(place, each["type"], written[known]["type"])
            else:
                yield from self._added(place, each)
        self._open.discard(pair)

    def _added(self, place: str, field: Mapping[str, Any]) -> Iterator[Break]:
        if "default" not in field:
            yield Break(place, NO_DEFAULT)
            return
        kind = self._reader.resolve(field["type"])
        if isinstance(kind, dict) and kind["type"] == "enum" and field["default"] not in kind["symbols"]:
            yield Break(place, BAD_DEFAULT, f"{field['default']!r} is none of {', '.join(kind['symbols'])}")


def _symbols(path: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[Break]:
    gone = [each for each in old["symbols"] if each not in new["symbols"]]
    if gone and new.get("default") not in new["symbols"]:
        yield Break(path or _plain(new["name"]), SYMBOLS_REMOVED, ", ".join(gone))


def _unit(path: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[Break]:
    before, after = ([each.get(key) for key in _UNIT] for each in (old, new))
    if before != after:
        yield Break(path or "the schema", UNIT_CHANGED, f"{_unit_of(old)} -> {_unit_of(new)}")


def _unit_of(kind: Mapping[str, Any]) -> str:
    return " ".join(str(kind[key]) for key in _UNIT if key in kind) or f"plain {kind['type']}"


def _same_name(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Unqualified names are compared, as Apache's own implementations do; an alias is the full name."""
    if "name" not in new or "name" not in old:
        return True
    return _plain(new["name"]) == _plain(old["name"]) or old["name"] in new.get("aliases", ())


def _plain(name: str) -> str:
    return name.rpartition(".")[2]


def _kind(given: Any) -> str:
    """How a type is told to people: `long`, `fixed OutreachId`."""
    if isinstance(given, str):
        return given
    return f"{given['type']} {_plain(given['name'])}" if "name" in given else str(given["type"])
