"""ikd.dead-letter.v1: what was refused, why, and what was decided. Never the bytes: they stay in the log."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from events import partial
from events.rules import looks_like_nik
from projections import sql
from projections.base import Columns, Frames, Rows, as_columns
from projections.clickhouse import Database

STATUSES = ("open", "retried", "discarded")
MOST_GROUPS = 1000

LETTER = {
    "topic": "LowCardinality(String)",
    "partition": "Int32",
    "offset": "Int64",
    "event_id": "FixedString(16)",
    "arrived_at": "DateTime64(3, 'UTC')",
    "reason": "String",
    "kind": "LowCardinality(String)",
    "type": "LowCardinality(String)",
    "source": "LowCardinality(String)",
    "size": "UInt32",
}
DECISION = {
    "topic": "LowCardinality(String)",
    "partition": "Int32",
    "offset": "Int64",
    "event_id": "FixedString(16)",
    "recorded_at": "DateTime64(3, 'UTC')",
    "source": "LowCardinality(String)",
    "decision": "LowCardinality(String)",
    "reason": "String",
    "sent_partition": "Nullable(Int32)",
    "sent_offset": "Nullable(Int64)",
    "origin_partition": "Int32",
    "origin_offset": "Int64",
}

# Reasons count what is wrong with one record; a kind is what such records share.
_KINDS = (
    (re.compile(r"^schema id \d+"), "schema id N"),
    (re.compile(r"^\d+ bytes are left over"), "N bytes are left over"),
)
# A broken record may hold anything where its source should stand: only what reads as one is kept.
_SOURCE = re.compile(r"[A-Za-z0-9][\w./-]{1,63}", re.ASCII)


def kind_of(reason: str) -> str:
    """The reason without the numbers of one record."""
    for pattern, shared in _KINDS:
        reason = pattern.sub(shared, reason)
    return reason


def letters(frames: Frames) -> Columns:
    """One row a refused record, with type and source as far as its bytes give them."""
    columns = _of(frames, "RecordRefused", ["topic", "partition", "offset", "event_id", "reason"])
    if columns:
        frame = frames["RecordRefused"]
        values = frame["record_value"].to_list()
        readings = [partial.read(each) for each in values]
        columns["arrived_at"] = frame["occurred_at"].to_list()
        columns["kind"] = [kind_of(each) for each in columns["reason"]]
        columns["type"] = [each.type or "" for each in readings]
        columns["source"] = [source_of(each) for each in readings]
        columns["size"] = [len(each or b"") for each in values]
    return columns


def decisions(frames: Frames) -> Columns:
    """One row a decision."""
    return _of(frames, "RefusalSettled", list(DECISION))


def source_of(reading: partial.Reading) -> str:
    """The source that a refused record names, empty where none can be read."""
    source = reading.value("source")
    named = isinstance(source, str) and _SOURCE.fullmatch(source) and not looks_like_nik(source)
    return source if named else ""


def _of(frames: Frames, name: str, columns: list[str]) -> Columns:
    return as_columns(frames[name], columns) if name in frames else {}


LETTERS_IN = Rows("dead_letter", LETTER, letters)
DECISIONS_IN = Rows("dead_letter_decision", DECISION, decisions)


@dataclass(frozen=True, slots=True)
class Letter:
    """A refused record and what became of it. `origin`: where its bytes first stood, itself if not sent again.

    `status`: open, retried or discarded. `sent`: where it was sent again, None if it was not.
    """

    event_id: bytes
    topic: str
    partition: int
    offset: int
    arrived_at: dt.datetime
    reason: str
    kind: str
    type: str
    source: str
    size: int
    status: str
    decided_at: dt.datetime | None
    decision_reason: str
    sent: tuple[int, int] | None
    origin: tuple[int, int]

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Group:
    """Refused records that share topic, kind of reason, source and status."""

    topic: str
    kind: str
    source: str
    status: str
    letters: int
    first_at: dt.datetime
    last_at: dt.datetime


@dataclass(frozen=True)
class Selection:
    """Which letters; what is empty selects all. `reason`: a part of it, in any case."""

    topic: str = ""
    source: str = ""
    reason: str = ""
    status: str = ""


def find(database: Database, selection: Selection, limit: int) -> list[Letter]:
    """The selected letters, the newest first. Raises DatabaseError."""
    return _letters(database, selection, limit=limit)


def at_place(database: Database, topic: str, partition: int, offset: int) -> Letter | None:
    """The letter about one record."""
    found = _letters(database, Selection(topic=topic), partition=partition, offset=offset)
    return found[0] if found else None


def by_id(database: Database, event_id: bytes) -> Letter | None:
    """The letter with this id."""
    found = _letters(database, Selection(), event_id=event_id.hex())
    return found[0] if found else None


def groups(database: Database, selection: Selection | None = None) -> list[Group]:
    """Counts by topic, kind of reason, source and status, the largest first."""
    params = {**vars(selection or Selection()), "limit": MOST_GROUPS}
    return [Group(**row) for row in database.rows(sql.query("dead_letter_groups"), params)]


def counts(database: Database) -> dict[tuple[str, str], int]:
    """How many, by topic and status."""
    rows = database.rows(sql.query("dead_letter_counts"))
    return {(row["topic"], row["status"]): row["letters"] for row in rows}


def _letters(
    database: Database,
    selection: Selection,
    partition: int = -1,
    offset: int = -1,
    event_id: str = "",
    limit: int = 1,
) -> list[Letter]:
    params = {
        **vars(selection),
        "partition": partition,
        "offset": offset,
        "event_id": event_id,
        "limit": limit,
    }
    return [_letter(row) for row in database.rows(sql.query("dead_letters"), params)]


def _letter(row: dict[str, Any]) -> Letter:
    sent = row.pop("sent_partition"), row.pop("sent_offset")
    origin = row.pop("origin_partition"), row.pop("origin_offset")
    decided_at = row.pop("decided_at")
    return Letter(
        event_id=bytes.fromhex(row.pop("id")),
        decided_at=None if row["status"] == "open" else decided_at,
        sent=None if None in sent else sent,
        origin=origin,
        **row,
    )
