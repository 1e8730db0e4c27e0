"""Files of events into Kafka: CSV or NDJSON, events or activation records.

Importing the same file again adds nothing: an event without an `event_id` gets one derived from its content.
"""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from events import jsonform, regions, rules
from events.catalogue import EVENTS, OURS
from events.codec import Event
from events.errors import ContractError, RuleBroken, UnknownRegion

# The columns of an activation record, one person a line: what offices keep in their sheets.
RECORD_COLUMNS: dict[str, str] = {
    "activated_at": "when the person became active; a time with zone, or a date (then noon in WIB)",
    "domicile": "village code, such as 61.01.01.2001",
    "subject_id": "pseudonym of the person, a UUID; never a NIK",
    "source": "the office that reports, such as dukcapil-61.01",
    "service_region": "region code of where it happened; the domicile's district if left out",
    "age_band": "unknown, under_17, from_17_to_24, from_25_to_34, from_35_to_44, from_45_to_59, from_60",
    "sex": "unknown, female, male",
    "channel": "unknown, office, village_office, jemput_bola, mobile_service, school, campus, ...",
    "device_class": "unknown, android_old, android_recent, ios_old, ios_recent, none",
    "outreach_id": "the outreach's UUID, where there was one",
    "recorded_at": "when the office wrote it down; activated_at if left out",
}
REQUIRED = ("activated_at", "domicile", "subject_id", "source")
LONGEST_LINE = 65_536


class FileRefused(ValueError):
    """The file as a whole can't be read: not there, no header, no such format."""


@dataclass(frozen=True)
class Line:
    """A line of the file: an event, or the reason why it is none. `number` counts from 1, the header included."""

    number: int
    event: Event | None
    reason: str = ""


@dataclass
class ImportReport:
    """What came of a file."""

    lines: int = 0
    accepted: int = 0
    refused: list[Line] = field(default_factory=list)
    types: Counter[str] = field(default_factory=Counter)


def import_lines(
    lines: Iterator[Line], publish: Callable[[Event], None], on_line: Callable[[], None] = lambda: None
) -> ImportReport:
    """Hand every good line's event to `publish`, and list the others."""
    report = ImportReport()
    for line in lines:
        report.lines += 1
        on_line()
        if line.event is None:
            report.refused.append(line)
            continue
        publish(line.event)
        report.accepted += 1
        report.types[line.event.type.name] += 1
    return report


def read_lines(path: Path, now_ms: int | None = None) -> Iterator[Line]:
    """The lines of a file. Raises FileRefused at once if it can't be read at all."""
    if not path.is_file():
        raise FileRefused(f"{path}: no such file")
    readers = {".csv": _read_csv, ".ndjson": _read_ndjson, ".jsonl": _read_ndjson, ".json": _read_ndjson}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise FileRefused(f"{path}: the name must end in {', '.join(readers)}")
    return reader(path, now_ms if now_ms is not None else time.time_ns() // 1_000_000)


def _read_ndjson(path: Path, now_ms: int) -> Iterator[Line]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, text in enumerate(file, 1):
            if text.strip():
                yield _line(number, lambda text=text: _from_json_text(text), now_ms)  # type: ignore[misc]


def _from_json_text(text: str) -> Mapping[str, Any]:
    if len(text) > LONGEST_LINE:
        raise ContractError(f"longer than {LONGEST_LINE} characters")
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise ContractError(f"no JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(given, dict):
        raise ContractError("must be one JSON object a line")
    return given if "type" in given else _record(given)


def _read_csv(path: Path, now_ms: int) -> Iterator[Line]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        sample = file.readline()
        file.seek(0)
        rows = csv.reader(file, delimiter=";" if sample.count(";") > sample.count(",") else ",")
        header = [name.strip() for name in next(rows, [])]
        _check_header(path, header)
        for row in rows:
            if any(cell.strip() for cell in row):
                yield _line(rows.line_num, lambda row=row: _from_row(header, row), now_ms)  # type: ignore[misc]


def _check_header(path: Path, header: list[str]) -> None:
    if "type" in header:
        return
    if missing := [name for name in REQUIRED if name not in header]:
        optional = ", ".join(name for name in RECORD_COLUMNS if name not in REQUIRED)
        raise FileRefused(
            f"{path}: the header lacks {', '.join(missing)}. A file of events has a column `type`;"
            f" a file of activation records has {', '.join(REQUIRED)} and may have {optional}"
        )


def _from_row(header: list[str], row: list[str]) -> Mapping[str, Any]:
    if len(row) != len(header):
        raise ContractError(f"has {len(row)} cells where the header has {len(header)}")
    given: dict[str, Any] = {name: cell.strip() for name, cell in zip(header, row, strict=True) if cell.strip()}
    if "regions" in given:
        given["regions"] = given["regions"].split()
    return given if "type" in header else _record(given)


def _record(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """An activation record as an Activated event."""
    if unknown := sorted(given.keys() - RECORD_COLUMNS.keys()):
        named = ", ".join("(a name with 16 digits)" if rules.looks_like_nik(each) else each for each in unknown)
        raise ContractError(f"{named}: no column of an activation record; it has {', '.join(RECORD_COLUMNS)}")
    if missing := [name for name in REQUIRED if not given.get(name)]:
        raise ContractError(f"{', '.join(missing)}: is missing")
    at = str(given["activated_at"])
    occurred = f"{at}T12:00:00+07:00" if len(at) == len("2024-06-30") else at
    rest = {name: value for name, value in given.items() if name != "activated_at"}
    district = regions.format_code(_village(given["domicile"]) // 10_000)
    return {"type": "Activated", "occurred_at": occurred, "service_region": district, **rest}


def _village(code: Any) -> int:
    try:
        number = regions.parse_code(str(code))
    except UnknownRegion as error:
        raise RuleBroken("domicile", str(error)) from None
    if number not in regions.village_numbers():
        raise RuleBroken("domicile", rules.NOT_A_VILLAGE)
    return number


def _line(number: int, read: Callable[[], Mapping[str, Any]], now_ms: int) -> Line:
    try:
        given = read()
        written = EVENTS.get(str(given.get("type")))
        if written is not None and written.topic in OURS:
            raise ContractError(f"type: {written.name} is written by Cakupan only")
        # Not the time of the import: the same file must give the same events tomorrow.
        complete = {"recorded_at": given.get("occurred_at"), **given}
        return Line(number, jsonform.from_json(complete, now_ms))
    except ContractError as error:
        return Line(number, None, str(error))


def importable_types() -> list[str]:
    """Names of the event types that a file may hold."""
    return [name for name, event in EVENTS.items() if event.topic not in OURS]
