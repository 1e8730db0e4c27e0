"""Is what the API says, and what the tables hold, what the log says? By region and day."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import operator
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from cakupan import recount
from cakupan.errors import ApiAway
from cakupan.recount import Change, Log, Place, RegionDay, Stage
from events import catalogue, regions
from projections import sql, stages
from projections.clickhouse import Database

PARALLEL = 8
STAGED_SECONDS = 60.0
Progress = Callable[[str, int, int], None]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """Something that is not as the log says. `region` and `day` where it belongs to one."""

    where: str
    region: str | None
    day: str | None
    field: str
    log: Any
    found: Any


@dataclass
class Report:
    """The outcome. `positions`: everything before these offsets was recounted."""

    records: int = 0
    events: int = 0
    refused: int = 0
    regions: int = 0
    days: int = 0
    active: int = 0
    differences: list[Difference] = field(default_factory=list)
    positions: dict[Place, int] = field(default_factory=dict)
    seconds: float = 0

    @property
    def right(self) -> bool:
        return not self.differences


def compare(log: Log, database: Database, api: httpx.Client, on_progress: Progress = lambda *_: None) -> Report:
    """Compare the log with every answer and every table. Raises ApiAway, DatabaseError."""
    coverage = recount.count_coverage(log)
    report = Report(
        records=log.records,
        events=len(log.events),
        refused=len(log.refused),
        regions=len({region for region, _ in coverage}),
        days=len({day for _, day in coverage}),
        active=sum(each.active_change for (region, _), each in coverage.items() if region == regions.NATION),
        positions={place: end for place, end in log.end.items() if place[0] != catalogue.DEAD_LETTER},
    )
    report.differences += [Difference("log", None, None, "record", "an event", text) for text in log.unaccounted]
    report.differences += _base(log, database)
    report.differences += _buckets("service_day", recount.count_service(log), database, "verify_service")
    report.differences += _buckets("region_minute", recount.count_rates(log), database, "verify_rates")
    report.differences += _sources(log, database)
    report.differences += _answers(coverage, database, api, on_progress)
    report.differences += _stages(log, database)
    return report


def _answers(
    coverage: Mapping[RegionDay, Change], database: Database, api: httpx.Client, on_progress: Progress
) -> list[Difference]:
    """The series of every region that the log or the table knows, day by day, as the API gives it."""
    by_region: dict[int, dict[dt.date, Change]] = defaultdict(dict)
    for (region, day), change in coverage.items():
        by_region[region][day] = change
    known = {row["region"] for row in database.rows(sql.query("verify_regions"))}
    wanted = sorted(by_region.keys() | known)
    out: list[Difference] = []
    with ThreadPoolExecutor(PARALLEL) as pool:
        for done, found in enumerate(pool.map(lambda r: _series(api, r, by_region.get(r, {})), wanted), 1):
            out += found
            on_progress("regions", done, len(wanted))
    return out


def _series(api: httpx.Client, region: int, expected: Mapping[dt.date, Change]) -> list[Difference]:
    code = regions.format_code(region)
    body = _get(api, f"/v1/coverage/{code}/series", interval="day")
    points = {dt.date.fromisoformat(each["start"]): each for each in body["points"]}
    out, active, off = [], 0, 0
    for day in sorted(points.keys() | expected.keys()):
        change, point = expected.get(day, Change()), points.get(day, {})
        for name, want in vars(change).items():
            if point.get(name) != want:
                out.append(Difference("api", code, day.isoformat(), name, want, point.get(name)))
        # The number at the end of the day, less what the days before already explain.
        active += change.active_change
        off += (point.get("active_change") or 0) - change.active_change
        if point.get("active") != active + off:
            out.append(Difference("api", code, day.isoformat(), "active", active, point.get("active")))
    return out


def _get(api: httpx.Client, path: str, **params: str) -> Any:
    try:
        answer = api.get(path, params=params)
        answer.raise_for_status()
        return answer.json()
    except httpx.HTTPStatusError as error:
        raise ApiAway(
            f"the API answers {path} with {error.response.status_code}: {error.response.text[:200]}"
        ) from error
    except httpx.HTTPError as error:
        raise ApiAway(f"no API answers at {api.base_url} (CAKUPAN_API_PORT): {error}") from error


def _buckets(
    table: str, expected: Mapping[RegionDay, Counter[str]], database: Database, query: str
) -> list[Difference]:
    found = {(row.pop("region"), row.pop("day")): row for row in database.rows(sql.query(query))}
    out = []
    for key in sorted(expected.keys() | found.keys()):
        for name, got in found.get(key, {"events": 0}).items():
            want = expected.get(key, Counter())[name]
            if want != got:
                out.append(_difference(table, key, name, want, got))
    return out


def _difference(table: str, key: RegionDay, name: str, want: Any, got: Any) -> Difference:
    return Difference(table, regions.format_code(key[0]), key[1].isoformat(), name, want, got)


@dataclass(frozen=True)
class Copy:
    """A table that copies events: whose, under which region and day, and the text of a row, column by column.

    The same text is built here from the log and in SQL from the table; digests of all rows of a region and day are
    added up without order.
    """

    table: str
    query: str
    types: tuple[str, ...]
    region: str
    day: Callable[[Values], dt.date]
    text: tuple[str, ...]


def _at(values: Values) -> dt.date:
    return recount.wib_day(values["occurred_at"])


def _on(name: str) -> Callable[[Values], dt.date]:
    return lambda values: recount.EPOCH + dt.timedelta(days=values[name])


_ACTIVATION = tuple(n for n, e in catalogue.EVENTS.items() if e.topic == catalogue.ACTIVATION)
_OUTREACH = tuple(n for n, e in catalogue.EVENTS.items() if e.topic == catalogue.OUTREACH)
_ALERT = tuple(n for n, e in catalogue.EVENTS.items() if e.topic == catalogue.ALERT)

# The columns of a row's text, in the order of the SQL beside it.
COPIES = (
    Copy("activation_event", "verify_activation", _ACTIVATION, "domicile", _at,
         ("event_id", "type", "occurred_at", "recorded_at", "source", "service_region", "domicile", "subject_id",
          "age_band", "sex", "channel", "device_class", "outreach_id", "step", "reason", "counterpart")),
    Copy("activated_event", "verify_activated", ("Activated",), "domicile", _at,
         ("event_id", "recorded_at", "service_region", "outreach_id")),
    Copy("failure", "verify_failure", ("AttemptFailed",), "domicile", _at,
         ("event_id", "recorded_at", "reason", "step", "channel", "age_band", "device_class")),
    Copy("outreach_event", "verify_outreach", _OUTREACH, "service_region", _at,
         ("event_id", "type", "occurred_at", "source", "outreach_id", "kind", "place", "planned_for", "team_size",
          "hours", "reached", "registered", "activated", "reason", "medium")),
    Copy("denominator", "verify_denominator", ("DenominatorReleased",), "region", _on("vintage"),
         ("event_id", "recorded_at", "source", "basis", "value", "origin", "method")),
    Copy("target", "verify_target", ("TargetSet",), "region", _on("valid_from"),
         ("event_id", "recorded_at", "source", "basis", "ratio", "valid_to", "origin")),
    Copy("figure", "verify_figure", ("FigureReported",), "region", _on("reported_on"),
         ("event_id", "recorded_at", "source", "printed", "claim", "basis", "origin")),
    Copy("alert_event", "verify_alert", _ALERT, "region", _at,
         ("event_id", "type", "occurred_at", "recorded_at", "source", "alert_id", "kind", "subject", "since",
          "measured", "threshold", "reason", "acknowledged_by")),
)  # fmt: skip

# What a column holds where the type lacks the field, or it is null.
_EMPTY = {
    "age_band": "unknown",
    "sex": "unknown",
    "channel": "unknown",
    "device_class": "unknown",
    "outreach_id": bytes(16),
    "counterpart": 0,
    "team_size": 0,
    "hours": 0.0,
    "reached": 0,
    "registered": 0,
    "activated": 0,
    "measured": 0.0,
    "threshold": 0.0,
}
_AS_TEXT: dict[type, Callable[[Any], str]] = {bytes: bytes.hex, float: lambda value: str(round(value * 1_000_000))}


def _base(log: Log, database: Database) -> list[Difference]:
    by_type: dict[str, list[Values]] = defaultdict(list)
    for event in log.events.values():
        by_type[event.name].append(event.values)
    erased = _erased(log)
    return [
        each
        for copy in COPIES
        for each in _differing(copy.table, _digests(by_type, erased, copy), database, copy.query)
    ]


def _differing(
    table: str, expected: Mapping[RegionDay, tuple[int, int]], database: Database, query: str
) -> list[Difference]:
    """Regions and days of which the table has other rows: `expected` holds how many, and their digest."""
    found = {(row["region"], row["day"]): (row["count"], row["digest"]) for row in database.rows(sql.query(query))}
    out = []
    for key in sorted(expected.keys() | found.keys()):
        want, got = expected.get(key, (0, 0)), found.get(key, (0, 0))
        if want != got:
            name = "rows" if want[0] != got[0] else "content"
            out.append(_difference(table, key, name, *_shown(name, want, got)))
    return out


def _sources(log: Log, database: Database) -> list[Difference]:
    expected = {key: vars(spoken) for key, spoken in recount.count_sources(log).items()}
    rows = database.rows(sql.query("verify_sources"))
    found = {(row.pop("region"), row.pop("source")): row for row in rows}
    return [
        Difference("source_stand", regions.format_code(key[0]), None, key[1], expected.get(key), found.get(key))
        for key in sorted(expected.keys() | found.keys())
        if expected.get(key) != found.get(key)
    ]


def _stages(log: Log, database: Database) -> list[Difference]:
    """People are staged beside the way in, some seconds behind it: that is waited for."""
    deadline = time.monotonic() + STAGED_SECONDS
    while (stand := stages.stand(database)).due:
        if time.monotonic() > deadline:
            return [Difference("person_stage", None, None, "staged", f"block {stand.newest}", f"block {stand.block}")]
        time.sleep(0.2)
    erased = _erased(log)
    expected = {
        key: (len(found), functools.reduce(operator.xor, (_text_digest(_stage_text(each, erased)) for each in found)))
        for key, found in recount.count_stages(log).items()
    }
    return _differing("person_stage", expected, database, "verify_stages")


def _stage_text(stage: Stage, erased: Set[bytes]) -> str:
    subject = "" if stage.subject in erased else stage.subject.hex()
    times = ["" if each is None else str(each) for each in stage.firsts]
    numbers = str(int(stage.counts)), str(stage.entered), *times, str(int(stage.kept)), str(stage.events)
    return "|".join((subject, *numbers))


def _shown(name: str, want: tuple[int, int], got: tuple[int, int]) -> tuple[Any, Any]:
    return (want[0], got[0]) if name == "rows" else (f"digest {want[1]:016x}", f"digest {got[1]:016x}")


def _digests(
    by_type: Mapping[str, Sequence[Values]], erased: Set[bytes], copy: Copy
) -> dict[RegionDay, tuple[int, int]]:
    out: dict[RegionDay, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for name in copy.types:
        for given in by_type.get(name, ()):
            key = given[copy.region], copy.day(given)
            values = {**given, "subject_id": ""} if given.get("subject_id") in erased else given
            count, digest = out[key]
            out[key] = count + 1, digest ^ _row_digest(name, values, copy.text)
    return dict(out)


def _erased(log: Log) -> set[bytes]:
    return {each.values["subject_id"] for each in log.events.values() if each.name == "SubjectErased"}


def _row_digest(name: str, values: Values, columns: Iterable[str]) -> int:
    row = {**values, "type": name}
    if name == "CampaignPublished":
        row["reached"] = row["reach"]
    shown = [_EMPTY.get(column, "") if (value := row.get(column)) is None else value for column in columns]
    return _text_digest("|".join([_AS_TEXT.get(type(value), str)(value) for value in shown]))


def _text_digest(text: str) -> int:
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[:8], "little")
