"""Events as people write them: JSON with dotted codes, UUID text, ISO times. One form for examples, files and tools.

    {"type": "Activated", "event_id": "01907...", "occurred_at": "2024-06-30T03:00:00.000Z", "source": "dukcapil-61.01",
     "service_region": "61.01", "domicile": "61.01.01.2001", "subject_id": "8d0c...", "age_band": "from_25_to_34", ...}

Left out, `event_id` is derived from the content, `recorded_at` is now, choices are "unknown", the rest that may be is
null.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from events import identity, regions, rules
from events.catalogue import EVENTS, EventType, Version, schema
from events.codec import Event, Values
from events.errors import ContractError, RuleBroken, UnknownRegion

REGION_FIELDS = frozenset({"domicile", "service_region", "region", "counterpart", "regions", "target_region"})
# Nullable dates: Avro readers disagree on a union with a logical type.
DAY_FIELDS = frozenset({"valid_to", "recorded_on", "wajib_ktp_on", "holders_on", "population_on"})
EPOCH = dt.date(1970, 1, 1)
WIB = dt.timezone(dt.timedelta(hours=7), "WIB")  # western Indonesia's time, in which days are counted


def from_json(given: Mapping[str, Any], now_ms: int) -> Event:
    """An event in JSON form, complete and checked. Raises ContractError that names the field and what is allowed."""
    event = _type_of(given)
    return Event(event, _checked(event, event.newest, given, now_ms))


def values_of_version(event: EventType, version: Version, given: Mapping[str, Any], now_ms: int) -> Values:
    """The same for an older version's fields, as an older office sends them."""
    return _checked(event, version, given, now_ms)


def to_json(event: Event) -> dict[str, Any]:
    """The JSON form of an event. Its inverse is `from_json`."""
    fields = schema(event.type.newest.schema_id)["fields"]
    return {"type": event.type.name, **{f["name"]: _write(f, event.values[f["name"]]) for f in fields}}


def _type_of(given: Mapping[str, Any]) -> EventType:
    name = given.get("type")
    if not isinstance(name, str) or name not in EVENTS:
        raise ContractError(f"type: must be one of {', '.join(EVENTS)}")
    return EVENTS[name]


def _checked(event: EventType, version: Version, given: Mapping[str, Any], now_ms: int) -> Values:
    fields = {each["name"]: each for each in schema(version.schema_id)["fields"]}
    if unknown := sorted(given.keys() - fields.keys() - {"type"}):
        named = ", ".join("(a name with 16 digits)" if rules.looks_like_nik(each) else each for each in unknown)
        raise ContractError(f"{named}: no field of {event.name}; it has {', '.join(fields)}")
    full = {"recorded_at": iso_ms(now_ms), **given}
    values = {name: _read(each, full) for name, each in fields.items() if name != "event_id"}
    values["event_id"] = _event_id(event, given, values)
    rules.check(values, now_ms)
    return {name: values[name] for name in fields}


def _event_id(event: EventType, given: Mapping[str, Any], values: Values) -> bytes:
    if given.get("event_id") is not None:
        return _uuid("event_id", given["event_id"])
    content = sorted((name, repr(value)) for name, value in values.items() if name != "recorded_at")
    return identity.derived_event_id(values["occurred_at"], event.name, *(part for pair in content for part in pair))


def _read(field: dict[str, Any], given: Mapping[str, Any]) -> Any:
    name, kind = field["name"], field["type"]
    value = given.get(name)
    if value is None:
        return _default(name, kind)
    if isinstance(kind, list):
        kind = kind[1]
    if name in REGION_FIELDS:
        return _codes(name, value)
    if name in DAY_FIELDS:
        return _date(name, value)
    return _READERS[_kind(kind)](name, value, kind) if _kind(kind) in _READERS else value


def _default(name: str, kind: Any) -> Any:
    if isinstance(kind, list):
        return None
    if isinstance(kind, dict) and "unknown" in kind.get("symbols", ()):
        return "unknown"
    raise ContractError(f"{name}: is missing")


def _kind(kind: Any) -> str:
    if not isinstance(kind, dict):
        return str(kind)
    return str(kind.get("logicalType") or kind["type"])


def _uuid(name: str, value: Any, _: Any = None) -> bytes:
    if isinstance(value, str) and rules.NIK.fullmatch(value):
        raise RuleBroken(name, rules.LOOKS_LIKE_NIK)
    try:
        return uuid.UUID(value).bytes
    except (ValueError, AttributeError, TypeError):
        raise RuleBroken(name, "must be a UUID, such as 01907c1e-5a00-7000-8000-000000000001") from None


def _time(name: str, value: Any, _: Any = None) -> int:
    try:
        at = dt.datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise RuleBroken(name, "must be a time such as 2024-06-30T03:00:00.000Z") from None
    if at.tzinfo is None:
        raise RuleBroken(name, "must say its time zone, such as 2024-06-30T10:00:00+07:00")
    return round(at.timestamp() * 1000)


def _date(name: str, value: Any, _: Any = None) -> int:
    try:
        return (dt.date.fromisoformat(value) - EPOCH).days
    except (ValueError, TypeError):
        raise RuleBroken(name, "must be a date such as 2024-06-30") from None


def _symbol(name: str, value: Any, kind: Any) -> str:
    if value not in kind["symbols"]:
        raise RuleBroken(name, f"must be one of {', '.join(kind['symbols'])}")
    return str(value)


def _integer(name: str, value: Any, _: Any = None) -> int:
    if isinstance(value, str) and value.strip().lstrip("-").isdigit() and len(value) < 16:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RuleBroken(name, "must be a whole number")
    return value


def _number(name: str, value: Any, _: Any = None) -> float:
    try:
        return float(value)
    except (ValueError, TypeError):
        raise RuleBroken(name, "must be a number") from None


def _text(name: str, value: Any, _: Any = None) -> str:
    if not isinstance(value, str):
        raise RuleBroken(name, "must be text")
    return value


def _bytes(name: str, value: Any, _: Any = None) -> bytes:
    try:
        return bytes.fromhex(value)
    except (ValueError, TypeError):
        raise RuleBroken(name, "must be bytes in hexadecimal") from None


_READERS: dict[str, Callable[[str, Any, Any], Any]] = {
    "fixed": _uuid,
    "timestamp-millis": _time,
    "date": _date,
    "enum": _symbol,
    "int": _integer,
    "long": _integer,
    "double": _number,
    "string": _text,
    "bytes": _bytes,
}


def _codes(name: str, value: Any) -> int | list[int]:
    if name == "regions":
        if not isinstance(value, list):
            raise RuleBroken(name, 'must be a list of region codes, such as ["61.01"]')
        return [_code(name, each) for each in value]
    return _code(name, value)


def _code(name: str, value: Any) -> int:
    try:
        return regions.parse_code(value if isinstance(value, str) else "")
    except UnknownRegion as error:
        raise RuleBroken(name, str(error)) from None


def _write(field: dict[str, Any], value: Any) -> Any:
    name, kind = field["name"], field["type"]
    if value is None:
        return None
    if isinstance(kind, list):
        kind = kind[1]
    if name == "regions":
        return [regions.format_code(each) for each in value]
    if name in REGION_FIELDS:
        return regions.format_code(value)
    if name in DAY_FIELDS or _kind(kind) == "date":
        return (EPOCH + dt.timedelta(days=value)).isoformat()
    if _kind(kind) == "fixed":
        return identity.as_text(value)
    if _kind(kind) == "timestamp-millis":
        return iso_ms(value)
    return value.hex() if isinstance(value, bytes) else value


def iso_ms(at_ms: int) -> str:
    """Epoch milliseconds as `2024-06-30T03:00:00.000Z`."""
    at = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
