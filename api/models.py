"""The shapes of the answers, with examples that the tests run. Counts are people; shares are ratios (0.3 is 30 %)."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.clocks import KnownAt
from api.parameters import Basis, Interval, Sort
from events.regions import Level, Region

NUMERATOR = "people with an active IKD, by domicile"
Offsets = dict[str, dict[str, int]]


class Model(BaseModel):
    """An answer or a part of one."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


def example(**fields: Any) -> ConfigDict:
    return ConfigDict(frozen=True, populate_by_name=True, json_schema_extra={"examples": [fields]})


class RegionName(Model):
    """A region. Codes are Kemendagri's with dots; `0` is the nation."""

    code: str
    name: str
    level: Level

    @classmethod
    def of(cls, region: Region) -> RegionName:
        return cls(code=region.code, name=region.name, level=region.level)


_INDONESIA = {"code": "0", "name": "Indonesia", "level": "nation"}
_KALBAR = {"code": "61", "name": "Kalimantan Barat", "level": "province"}
EXAMPLE_REGION = {"code": "61.01", "name": "Kabupaten Sambas", "level": "regency"}


class RegionAnswer(RegionName):
    """A region, the regions above it (nearest first) and how many are directly below it."""

    model_config = example(**EXAMPLE_REGION, parents=[_KALBAR, _INDONESIA], children=19)

    parents: list[RegionName]
    children: int


class RegionChildren(Model):
    """The regions directly below one, by code."""

    model_config = example(
        region=EXAMPLE_REGION,
        total=19,
        limit=1,
        offset=0,
        items=[{"code": "61.01.01", "name": "Sambas", "level": "district"}],
    )

    region: RegionName
    total: int
    limit: int
    offset: int
    items: list[RegionName]


class Absent(Model):
    """A figure that can't be given honestly: its field, and why. The field itself is null (or empty), never 0."""

    field: str
    reason: str


class Numerator(Model):
    """A count of people."""

    value: int
    definition: str = NUMERATOR


class Denominator(Model):
    """What is divided by: people on a basis, as counted on the day `vintage`. An estimate names its `method`."""

    value: int
    basis: Basis
    vintage: dt.date
    estimated: bool
    source: str
    method: str | None = None


class Target(Model):
    """The share of `basis` that should be active; set for `region`, which is the one asked for or one above it."""

    ratio: float
    basis: Basis
    valid_from: dt.date
    valid_to: dt.date | None
    source: str
    region: str


class Data(Model):
    """What the answer rests on. `position`: the log up to these offsets (not included) is in it. `verified_up_to`:
    up to these it was compared with the tables, event by event, last at `verified_at`. `synthetic`: some of it was
    generated."""

    position: Offsets
    age_seconds: float | None
    verified_up_to: Offsets
    verified_at: dt.datetime | None
    synthetic: bool


EXAMPLE_DATA = {
    "position": {"ikd.activation.v1": {"0": 12345}},
    "age_seconds": 0.2,
    "verified_up_to": {"ikd.activation.v1": {"0": 12000}},
    "verified_at": "2024-06-30T10:00:04Z",
    "synthetic": True,
}
EXAMPLE_FIGURES: dict[str, Any] = {
    "region": EXAMPLE_REGION,
    "as_of": "2024-06-30",
    "known_at": None,
    "basis": "recorded",
    "numerator": {"value": 43336, "definition": NUMERATOR},
    "denominator": {
        "value": 452092,
        "basis": "recorded",
        "vintage": "2024-06-30",
        "estimated": False,
        "source": "Dukcapil Sambas, first half of 2024 (insidepontianak.com/sambas/34597)",
        "method": None,
    },
    "coverage": 0.095857,
    "target": {
        "ratio": 0.3,
        "basis": "recorded",
        "valid_from": "2024-01-01",
        "valid_to": "2024-12-31",
        "source": "Dukcapil Sambas: 30 % of people recorded",
        "region": "61.01",
    },
    "attainment": 0.319522,
    "missing": 92292,
    "suppressed": False,
    "absent": [],
}


class Figures(Model):
    """How far IKD has reached in a region at the end of a day.

    `coverage` is numerator / denominator on the basis asked for. `attainment` is numerator / (target x denominator) and
    `missing` the target in people, rounded up, less the numerator, both always on the target's own basis. Ratios are
    rounded to six places and never clamped; `missing` may be negative. `known_at`: only what was recorded by then is in
    it; null: all that is known by now. `suppressed`: the number of people is withheld, since it is small or would tell
    one that is.
    """

    region: RegionName
    as_of: dt.date
    known_at: KnownAt | None = None
    basis: Basis | None
    numerator: Numerator | None
    denominator: Denominator | None
    coverage: float | None
    target: Target | None
    attainment: float | None
    missing: int | None
    suppressed: bool = False
    absent: list[Absent]


class CoverageAnswer(Figures):
    """Figures, and the data that they rest on."""

    model_config = example(**EXAMPLE_FIGURES, data=EXAMPLE_DATA)

    data: Data


class Difference(Model):
    """Later less earlier: people, ratios of six places, people."""

    count: int | None
    coverage: float | None
    attainment: float | None
    missing: int | None


class Parts(Model):
    """What changed a report, each put in after the ones before it. They add up to the whole.

    `late_events`: activations recorded after `from`. `corrections`: deactivations, departures and arrivals recorded
    after `from`, which end or move what counted. `denominator`: releases after `from`. `target`: targets set after it.
    """

    late_events: Difference
    corrections: Difference
    denominator: Difference
    target: Difference


class RestatementAnswer(Model):
    """How what is reported of one day has changed: `whole` is `after` less `before`, and the parts add up to it.

    `before` is as known at `from`, `after` as known at `to`, both on one basis. `missing` and `attainment` are on the
    basis of the target then known.
    """

    model_config = example(
        **{"region": EXAMPLE_REGION, "as_of": "2024-06-30", "from": "2024-07-01", "to": "2024-12-31"},
        before={
            **EXAMPLE_FIGURES,
            "known_at": "2024-07-01",
            "numerator": {"value": 43310, "definition": NUMERATOR},
            "coverage": 0.095799,
            "attainment": 0.31933,
            "missing": 92318,
        },
        after={**EXAMPLE_FIGURES, "known_at": "2024-12-31"},
        whole={"count": 26, "coverage": 0.000058, "attainment": 0.000192, "missing": -26},
        parts={
            "late_events": {"count": 31, "coverage": 0.000069, "attainment": 0.000229, "missing": -31},
            "corrections": {"count": -5, "coverage": -0.000011, "attainment": -0.000037, "missing": 5},
            "denominator": {"count": 0, "coverage": 0.0, "attainment": 0.0, "missing": 0},
            "target": {"count": 0, "coverage": 0.0, "attainment": 0.0, "missing": 0},
        },
        absent=[],
        data=EXAMPLE_DATA,
    )

    region: RegionName
    as_of: dt.date
    first: dt.date = Field(alias="from")
    last: dt.date = Field(alias="to")
    before: Figures
    after: Figures
    whole: Difference
    parts: Parts
    absent: list[Absent]
    data: Data


class CoverageChildren(Model):
    """The regions directly below one, ranked; what is absent comes last. All on one basis, so that they compare, and of
    what was recorded by one time, `known_at`; null: by now."""

    model_config = example(
        region=_KALBAR,
        as_of="2024-06-30",
        known_at=None,
        basis="recorded",
        numerator={"value": 43336, "definition": NUMERATOR},
        sort="numerator",
        order="desc",
        total=14,
        limit=1,
        offset=0,
        items=[EXAMPLE_FIGURES],
        absent=[],
        data=EXAMPLE_DATA,
    )

    region: RegionName
    as_of: dt.date
    known_at: KnownAt | None = None
    basis: Basis | None
    numerator: Numerator | None = Field(description="Of the region itself: what its children add up to.")
    sort: Sort
    order: Literal["asc", "desc"]
    total: int
    limit: int
    offset: int
    items: list[Figures]
    absent: list[Absent]
    data: Data


class Point(Model):
    """A period, both days included. `active` is at its end; the rest happened in it and adds up:
    active_change = activated - deactivated + moved_in - moved_out. What is withheld from who has no key for
    the region is null."""

    start: dt.date
    end: dt.date
    active: int | None
    active_change: int | None
    activated: int | None
    deactivated: int | None
    moved_in: int | None
    moved_out: int | None


class SeriesAnswer(Model):
    """Period after period without a gap. The first and the last may be cut by the days asked for. `known_at`: only
    what was recorded by then is in it; null: all that is known by now."""

    model_config = example(
        **{"region": EXAMPLE_REGION, "interval": "month", "from": "2024-06-01", "to": "2024-06-30", "known_at": None},
        points=[
            {
                "start": "2024-06-01",
                "end": "2024-06-30",
                "active": 43336,
                "active_change": 1204,
                "activated": 1250,
                "deactivated": 41,
                "moved_in": 12,
                "moved_out": 17,
            }
        ],
        absent=[],
        data=EXAMPLE_DATA,
    )

    region: RegionName
    interval: Interval
    first: dt.date | None = Field(alias="from")
    last: dt.date | None = Field(alias="to")
    known_at: KnownAt | None = None
    points: list[Point]
    absent: list[Absent]
    data: Data


class Counts(Model):
    """Events of a window."""

    events: int = 0
    registered: int = 0
    activated: int = 0
    failed: int = 0
    deactivated: int = 0


class Window(Model):
    """Whole minutes from a time up to another. `total` is null where there is no data: nothing had been heard of the
    region yet, or there are no events and its sources were silent."""

    window: Literal["minute", "hour", "day"]
    start: dt.datetime = Field(alias="from")
    end: dt.datetime = Field(alias="to")
    total: Counts | None
    channels: dict[str, Counts]


_FIVE = {"events": 5, "registered": 1, "activated": 3, "failed": 1, "deactivated": 0}


class RatesAnswer(Model):
    """Events of the people who live in a region, by when they happened: last minute, hour and day before `at`."""

    model_config = example(
        region=EXAMPLE_REGION,
        at="2024-06-30T03:00:30Z",
        windows=[
            {
                "window": name,
                "from": begin,
                "to": "2024-06-30T03:01:00Z",
                "total": _FIVE,
                "channels": {"office": _FIVE},
            }
            for name, begin in (
                ("minute", "2024-06-30T03:00:00Z"),
                ("hour", "2024-06-30T02:01:00Z"),
                ("day", "2024-06-29T03:01:00Z"),
            )
        ],
        absent=[],
        data=EXAMPLE_DATA,
    )

    region: RegionName
    at: dt.datetime
    windows: list[Window]
    absent: list[Absent]
    data: Data


class PartitionPlace(Model):
    """A partition: `position` is the first offset not yet in the answers, `head` where the log ended at `checked_at`,
    `record_at` the time of the last record taken in."""

    topic: str
    partition: int
    position: int
    head: int
    lag: int
    record_at: dt.datetime
    checked_at: dt.datetime


class SourcePlace(Model):
    """A source's last report. `silence_seconds`: since then. It has sent everything that happened until
    `complete_until`. `events_sent` is null where it is withheld."""

    source: str
    regions: list[str]
    reported_at: dt.datetime
    complete_until: dt.datetime
    events_sent: int | None
    silence_seconds: float


class FreshnessAnswer(Model):
    """How fresh the answers are, by partition of the log and by source."""

    model_config = example(
        data=EXAMPLE_DATA,
        partitions=[
            {
                "topic": "ikd.activation.v1",
                "partition": 0,
                "position": 12345,
                "head": 12345,
                "lag": 0,
                "record_at": "2024-06-30T10:00:00Z",
                "checked_at": "2024-06-30T10:00:05Z",
            }
        ],
        sources=[
            {
                "source": "dukcapil-61.01",
                "regions": ["61.01"],
                "reported_at": "2024-06-30T10:00:00Z",
                "complete_until": "2024-06-30T09:59:00Z",
                "events_sent": 268114,
                "silence_seconds": 5.2,
            }
        ],
        absent=[],
    )

    data: Data
    partitions: list[PartitionPlace]
    sources: list[SourcePlace]
    absent: list[Absent]


class IntegrityPartition(Model):
    """A partition: the log's events before `position`, dead letters left out, with the digest of their ids; all before
    `verified_up_to` are in every table."""

    topic: str
    partition: int
    position: int
    verified_up_to: int | None
    events: int
    refused: int
    digest: str
    checked_at: dt.datetime


class IntegrityDifference(Model):
    """Events that log and table don't agree on, those of one partition, region and day together. Offsets are null where
    the log has no such record."""

    topic: str
    kind: Literal["missing", "unexpected", "doubled"]
    held_by: str
    region: str
    day: dt.date
    partition: int | None
    first_offset: int | None
    last_offset: int | None
    events: int
    found_at: dt.datetime


class EventSum(Model):
    """How many events, and an order-free digest of their ids: 16 hexadecimal digits, see docs/exactness.md."""

    events: int
    digest: str


class IntegrityDay(Model):
    """A day of a region: its activation events as the log has them, dead letters left out, and as each table holds
    them. They are the `same`, or events are on their way, or one of them is wrong."""

    day: dt.date
    log: EventSum
    tables: dict[str, EventSum]
    same: bool


class IntegrityDaysAnswer(Model):
    """Log and tables side by side, day by day; days without an event on either side are left out."""

    model_config = example(
        region=EXAMPLE_REGION,
        days=[
            {
                "day": "2024-06-30",
                "log": {"events": 412, "digest": "00f1d3a5c7e90b2d"},
                "tables": {
                    "activation_event": {"events": 412, "digest": "00f1d3a5c7e90b2d"},
                    "activity": {"events": 412, "digest": "00f1d3a5c7e90b2d"},
                },
                "same": True,
            }
        ],
        absent=[],
        data=EXAMPLE_DATA,
    )

    region: RegionName
    days: list[IntegrityDay]
    absent: list[Absent]
    data: Data


class IntegrityAnswer(Model):
    """What is proved. `status`: `verified` (all that the answers hold), `checking` (not all yet), `different`, or
    `unknown` (no auditor has reported)."""

    model_config = example(
        status="verified",
        verified_at="2024-06-30T10:00:04Z",
        open=0,
        partitions=[
            {
                "topic": "ikd.activation.v1",
                "partition": 0,
                "position": 12345,
                "verified_up_to": 12345,
                "events": 12340,
                "refused": 5,
                "digest": "00f1d3a5c7e90b2d",
                "checked_at": "2024-06-30T10:00:04Z",
            }
        ],
        differences=[],
        absent=[],
        data=EXAMPLE_DATA,
    )

    status: Literal["verified", "checking", "different", "unknown"]
    verified_at: dt.datetime | None
    open: int
    partitions: list[IntegrityPartition]
    differences: list[IntegrityDifference]
    absent: list[Absent]
    data: Data


class DeadLetterGroup(Model):
    """Refused records that share topic, kind of reason, source (null where none can be read) and status."""

    topic: str
    reason: str
    source: str | None
    status: Literal["open", "retried", "discarded"]
    letters: int
    first_at: dt.datetime
    last_at: dt.datetime


class DeadLettersAnswer(Model):
    """Records that could not be taken in, counted; never their bytes. `open` ones wait for a decision."""

    model_config = example(
        total=3,
        open=3,
        groups=[
            {
                "topic": "ikd.activation.v1",
                "reason": "Activated: domicile: is no village of the register",
                "source": "dukcapil-61.01",
                "status": "open",
                "letters": 3,
                "first_at": "2024-06-30T10:00:00Z",
                "last_at": "2024-06-30T10:00:05Z",
            }
        ],
        absent=[],
        data=EXAMPLE_DATA,
    )

    total: int
    open: int
    groups: list[DeadLetterGroup]
    absent: list[Absent]
    data: Data


class Alive(Model):
    """The process is up."""

    model_config = example(status="live")

    status: Literal["live"] = "live"


class Check(Model):
    """A part that answers need."""

    name: str
    detail: str


class Ready(Model):
    """Everything that answers need is there."""

    model_config = example(
        status="ready",
        checks=[{"name": "clickhouse", "detail": "answers at 127.0.0.1:19000"}],
    )

    status: Literal["ready"] = "ready"
    checks: list[Check]


class BadPart(Model):
    """A parameter that is wrong, and what it may be. Its value is not repeated: it may be personal data."""

    name: str
    where: str = Field(alias="in")
    reason: str
    allowed: str


class ProblemAnswer(Model):
    """An error (RFC 9457)."""

    model_config = example(
        type="urn:cakupan:problem:bad-parameter",
        title="Unprocessable Content",
        status=422,
        detail="as_of: must be a day such as 2024-06-30",
        parameters=[
            {
                "name": "as_of",
                "in": "query",
                "reason": "must be a day such as 2024-06-30",
                "allowed": "a day such as 2024-06-30",
            }
        ],
    )

    type: str
    title: str
    status: int
    detail: str
    parameters: list[BadPart] = []
    away: list[Check] = []
