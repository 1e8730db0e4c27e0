"""Every event type and every topic, as literals you can read.

A type's schema is `schemas/<topic>/<Name>.v<N>.avsc`, its examples `examples/<Name>.v<N>.json`; its schema id is here
and never changes. To add a type: the schema, the examples, one line in EVENTS. To change one: a new schema file with
the next number, a line in its `versions`, and what the columns that older versions lack are filled with.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastavro

HERE = Path(__file__).parent
Scalar = str | int | None

ACTIVATION = "ikd.activation.v1"
OUTREACH = "ikd.outreach.v1"
REFERENCE = "ikd.reference.v1"
HEARTBEAT = "ikd.heartbeat.v1"
DEAD_LETTER = "ikd.dead-letter.v1"
COVERAGE = "ikd.coverage.v1"
RECEIPT = "ikd.receipt.v1"
ALERT = "ikd.alert.v1"

# What Cakupan itself writes: nobody else sends it, and the worker counts nothing of COVERAGE and RECEIPT.
OURS = frozenset({DEAD_LETTER, COVERAGE, RECEIPT, ALERT})


@dataclass(frozen=True)
class Topic:
    """A topic and the settings that `cakupan topics apply` gives it. One topic an aggregate."""

    name: str
    partitions: int
    key: str
    doc: str
    config: dict[str, str] = field(default_factory=dict, hash=False)


# The log is the record: it keeps everything. The broker stamps the time of arrival, so that what counts as "in the
# future" is the same in every replay, whatever clock the sender had.
KEEP = {
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": "1048576",
}

# What a later value takes the place of. Both stand side by side for a week at least, for whoever was away.
LATEST = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": "604800000",
    "max.compaction.lag.ms": "1209600000",
    "compression.type": "producer",
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": "1048576",
}

TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(ACTIVATION, 4, "subject_id", "What happens to one person's IKD, from registration to erasure.", KEEP),
        Topic(OUTREACH, 2, "outreach_id", "Outreach planned, held, cancelled; campaigns.", KEEP),
        Topic(REFERENCE, 1, "region", "Denominators, targets, published figures.", KEEP),
        Topic(HEARTBEAT, 1, "source", "Sources say that they are there.", KEEP),
        Topic(DEAD_LETTER, 1, "topic", "Records that could not be taken in, and what was decided about them.", KEEP),
        Topic(COVERAGE, 1, "region", "A region's answer, whenever it changed. The last one stays.", LATEST),
        Topic(RECEIPT, 1, "topic, region, hour", "Signed counts of what a topic held: docs/receipts.md.", LATEST),
        Topic(ALERT, 1, "region", "What is wrong: raised, acknowledged, cleared.", KEEP),
    )
}


@dataclass(frozen=True)
class Version:
    """One version of a type's schema. `filled` gives the columns that it lacks and newer versions have."""

    number: int
    schema_id: int
    filled: dict[str, Scalar] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class EventType:
    """An event type. The newest version is the last one, and the one that is written."""

    name: str
    topic: str
    versions: tuple[Version, ...]

    @property
    def newest(self) -> Version:
        return self.versions[-1]

    @property
    def subject(self) -> str:
        """The registry's subject, by topic and record: `ikd.activation.v1-id.ikd.activation.Activated`."""
        loaded = schema(self.newest.schema_id)
        return f"{self.topic}-{loaded['namespace']}.{loaded['name']}"


def _one(name: str, topic: str, schema_id: int, **filled: Scalar) -> EventType:
    return EventType(name, topic, (Version(1, schema_id, filled),))


EVENTS: dict[str, EventType] = {
    event.name: event
    for event in (
        _one("ActivationRegistered", ACTIVATION, 101),
        _one("FaceVerified", ACTIVATION, 102),
        _one("QrVerified", ACTIVATION, 103),
        EventType(
            "Activated",
            ACTIVATION,
            (
                Version(1, 104, {"device_class": "unknown"}),  # the first apps did not report the device
                Version(2, 114),
            ),
        ),
        _one("AttemptFailed", ACTIVATION, 105),
        _one("Deactivated", ACTIVATION, 106),
        _one("FirstUsed", ACTIVATION, 107),
        _one("SubjectDeparted", ACTIVATION, 108),
        _one("SubjectArrived", ACTIVATION, 109),
        _one("SubjectErased", ACTIVATION, 110),
        _one("OutreachPlanned", OUTREACH, 201),
        _one("OutreachHeld", OUTREACH, 202),
        _one("OutreachCancelled", OUTREACH, 203),
        _one("CampaignPublished", OUTREACH, 204),
        _one("DenominatorReleased", REFERENCE, 301),
        _one("TargetSet", REFERENCE, 302),
        _one("FigureReported", REFERENCE, 303),
        _one("SourceReported", HEARTBEAT, 401),
        _one("RecordRefused", DEAD_LETTER, 501),
        _one("RefusalSettled", DEAD_LETTER, 502),
        _one("CoverageChanged", COVERAGE, 601),
        _one("AlertRaised", ALERT, 701),
        _one("AlertAcknowledged", ALERT, 702),
        _one("AlertCleared", ALERT, 703),
    )
}

BY_SCHEMA_ID: dict[int, tuple[EventType, Version]] = {
    version.schema_id: (event, version) for event in EVENTS.values() for version in event.versions
}


def schema_path(event: EventType, version: Version) -> Path:
    return HERE / "schemas" / event.topic / f"{event.name}.v{version.number}.avsc"


@functools.cache
def schema(schema_id: int) -> dict[str, Any]:
    """The Avro schema with this id, as it stands in its file."""
    event, version = BY_SCHEMA_ID[schema_id]
    loaded: dict[str, Any] = json.loads(schema_path(event, version).read_text())
    return loaded


@functools.cache
def parsed_schema(schema_id: int) -> dict[str, Any]:
    """The same, as fastavro wants it."""
    parsed: dict[str, Any] = fastavro.parse_schema(json.loads(json.dumps(schema(schema_id))))
    return parsed


def examples(event: EventType, version: Version) -> list[dict[str, Any]]:
    """The type's examples in the JSON form that `cakupan publish` takes."""
    path = HERE / "examples" / f"{event.name}.v{version.number}.json"
    loaded: list[dict[str, Any]] = json.loads(path.read_text())
    return loaded
