"""Two clocks: what happened by a day, as far as it was known on another; and why a day is reported otherwise later."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.app import create_app
from api.clocks import last_ms
from events import regions
from events.codec import Event
from projections import answers
from projections.clickhouse import Database
from tests.asking import why
from tests.conftest import empty
from tests.test_api import get
from tests.test_api_world import OPTIONS, VILLAGES, denominator, happened, load, report, target
from tests.test_projections import DAY_MS, KINDS, event, take_in
from tests.test_projections import VILLAGES as NUMBERS

Json = dict[str, Any]
NOON = 1_700_000_000_000
DAY_ONE = dt.date(2023, 11, 15)  # in western Indonesia; NOON is early on this day there
FIGURES = ("count", "coverage", "attainment", "missing")


@pytest.fixture(scope="module")
def client(database: Database) -> Iterator[TestClient]:
    with TestClient(create_app(database, OPTIONS)) as each:
        yield each


# The oracle: a dictionary per person, over the events that were recorded by some time.


def people_counted(
    log: Sequence[Event], region: int, as_of: dt.date, activated_by: dt.date, amended_by: dt.date
) -> int | None:
    people: dict[bytes, dict[bytes, Event]] = defaultdict(dict)
    for each in log:
        known = people[each.values["subject_id"]]
        held = known.get(each.values["event_id"])
        if held is None or held.values["recorded_at"] < each.values["recorded_at"]:
            known[each.values["event_id"]] = each
    counted, named = 0, False
    for known in people.values():
        active, home = False, 0
        for each in sorted(known.values(), key=lambda e: (e.values["occurred_at"], e.values["event_id"])):
            name, village = each.type.name, each.values["domicile"]
            if name not in KINDS[:4]:
                continue
            if wib(each.values["recorded_at"]) > (activated_by if name == "Activated" else amended_by):
                continue
            named = named or within(village, region)
            if wib(each.values["occurred_at"]) > as_of:
                continue
            if name == "Activated":
                active, home = True, village
            elif name == "Deactivated":
                active = False
            elif name == "SubjectArrived":
                home = village
            elif home == village:
                home = 0
        counted += active and home != 0 and within(home, region)
    return counted if named else None


def wib(at_ms: int) -> dt.date:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.timezone(dt.timedelta(hours=7))).date()


def within(village: int, region: int) -> bool:
    return region == 0 or str(village).startswith(str(region))


def held(facts: Sequence[Json], order: str, as_of: dt.date, known: dt.date) -> Json | None:
    """The denominator or target that holds on a day, of those recorded by another."""
    usable = [each for each in facts if each[order] <= str(as_of) and wib_day(each["recorded_at"]) <= known]
    return max(usable, key=lambda each: (each[order], each["recorded_at"]), default=None)


def wib_day(text: str) -> dt.date:
    return dt.datetime.fromisoformat(text).date()


def reported(count: int | None, counted: Json | None, wanted: Json | None) -> Json:
    """Coverage and what is missing, of a count, a denominator and a target."""
    if count is None or counted is None:
        return {"count": count, "coverage": None, "missing": None}
    coverage = float(round(Fraction(count, counted["value"]), 6))
    missing = math.ceil(Fraction(str(wanted["ratio"])) * counted["value"]) - count if wanted else None
    return {"count": count, "coverage": coverage, "missing": missing}


def shown(answer: Json) -> Json:
    count = answer["numerator"]["value"] if answer["numerator"] else None
    return {"count": count, "coverage": answer["coverage"], "missing": answer["missing"]}


def assert_parts_add_up(answer: Json) -> None:
    reasons = why(answer)
    before, after = answer["before"], answer["after"]
    for name in FIGURES:
        parts = {part: values[name] for part, values in answer["parts"].items()}
        given_ = {"whole": answer["whole"][name]} | {f"parts.{part}": value for part, value in parts.items()}
        for where, value in given_.items():
            assert (value is None) == (f"{where}.{name}" in reasons)
        first, last = (shown(each) | {"attainment": each["attainment"]} for each in (before, after))
        assert (answer["whole"][name] is None) == (first[name] is None or last[name] is None)
        if answer["whole"][name] is not None:
            total = sum((Decimal(str(each)) for each in parts.values()), Decimal())
            assert total == Decimal(str(answer["whole"][name])) == Decimal(str(last[name])) - Decimal(str(first[name]))
    assert all(reasons.values())


def later(each: Event, days: int) -> Event:
    return Event(each.type, {**each.values, "recorded_at": each.values["recorded_at"] + days * DAY_MS})


def on(day: int) -> dt.date:
    return DAY_ONE + dt.timedelta(days=day)


moments = st.sampled_from([NOON + d * DAY_MS + m for d in (0, 1, 5) for m in (0, 1, 9 * 3_600_000)])
happenings = st.builds(
    event, st.sampled_from(KINDS), st.integers(1, 3), st.sampled_from(NUMBERS), moments, st.integers(0, 1)
)
logs = st.lists(st.builds(later, happenings, st.sampled_from([0, 0, 1, 3, 9])), min_size=1, max_size=12)


def release(value: int, vintage: int, recorded: int, tick: int) -> Json:
    at = f"{on(recorded)}T10:00:{tick:02}+07:00"
    return denominator("61.01", "recorded", str(on(vintage)), value, recorded_at=at)


def set_target(ratio: int, since: int, recorded: int, tick: int) -> Json:
    at = f"{on(recorded)}T10:00:{tick:02}+07:00"
    return {**target("61.01", "recorded", ratio / 10, str(on(since))), "recorded_at": at}


def facts(build: Any, low: int, high: int) -> Any:
    """A few facts, no two recorded at one time, no two alike."""
    days = st.sampled_from([-2, 0, 1, 4])
    each = st.tuples(st.integers(low, high), days, st.sampled_from([-2, 0, 1, 4, 8]))
    unique = st.lists(each, max_size=3, unique_by=lambda known: known[0])
    return unique.map(lambda known: [build(*values, tick) for tick, values in enumerate(known)])


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    log=logs,
    released=facts(release, 3, 90),
    targets=facts(set_target, 1, 9),
    days=st.tuples(*[st.integers(-1, 12)] * 3).map(sorted),
    region=st.sampled_from([(6101, "61.01"), (6101, "61.01"), (0, "0"), (61, "61"), (6101012001, "61.01.01.2001")]),
)
def test_reports_are_the_oracles_and_parts_add_up(
    client: TestClient,
    database: Database,
    log: list[Event],
    released: list[Json],
    targets: list[Json],
    days: list[int],
    region: tuple[int, str],
) -> None:
    empty(database)
    take_in(database, log, cuts=2)
    load(database, [*released, *targets])
    as_of, first, last = (on(each) for each in days)
    number, code = region
    query = {"as_of": as_of, "basis": "recorded"}
    answer = get(client, f"/v1/coverage/{code}/restatement", **query, **{"from": first, "to": last})
    for name, known in (("before", first), ("after", last)):
        counted = held(released, "vintage", as_of, known) if number == 6101 else None
        wanted = held(targets, "valid_from", as_of, known)
        expected = reported(people_counted(log, number, as_of, known, known), counted, wanted)
        assert shown(answer[name]) == expected
        alone = get(client, f"/v1/coverage/{code}", **query, known_at=known)
        assert {k: alone[k] for k in answer[name] if k != "absent"} == {
            k: v for k, v in answer[name].items() if k != "absent"
        }
    assert_parts_add_up(answer)
    steps = [people_counted(log, number, as_of, *by) for by in ((first, first), (last, first), (last, last))]
    if steps[0] is not None:
        parts = [answer["parts"][each]["count"] for each in ("late_events", "corrections", "denominator", "target")]
        assert parts == [steps[1] - steps[0], steps[2] - steps[1], 0, 0]  # type: ignore[operator]


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    log=logs,
    days=st.tuples(*[st.integers(-1, 12)] * 2).map(sorted),
    number=st.sampled_from([0, 61, 6101, 610101, 6101012001]),
)
def test_rankings_and_series_are_the_oracles(
    client: TestClient, database: Database, log: list[Event], days: list[int], number: int
) -> None:
    empty(database)
    take_in(database, log, cuts=2)
    as_of, known = (on(each) for each in days)
    code = regions.format_code(number)
    ranking = get(client, f"/v1/coverage/{code}/children", as_of=as_of, known_at=known, limit=1000)
    below = {each.code: each.number for each in regions.children().get(number, [])}
    counts = {each["region"]["code"]: shown(each)["count"] for each in ranking["items"]}
    assert counts == {each: people_counted(log, below[each], as_of, known, known) for each in below}
    assert shown({**ranking, "coverage": None, "missing": None})["count"] == people_counted(
        log, number, as_of, known, known
    )
    series = get(client, f"/v1/coverage/{code}/series", known_at=known, **{"from": on(-2), "to": on(12)})
    if people_counted(log, number, known, known, known) is None:
        assert series["points"] == []
        return
    assert [each["end"] for each in series["points"]] == [str(on(n)) for n in range(-2, days[1] + 1)]
    for each in series["points"]:
        assert each["active"] == people_counted(log, number, dt.date.fromisoformat(each["end"]), known, known)
        moved = each["moved_in"] - each["moved_out"]
        assert each["active_change"] == each["activated"] - each["deactivated"] + moved


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=logs, interval=st.sampled_from(["day", "week", "month"]), first=st.integers(-3, 4))
def test_rankings_and_series_known_by_now_are_those_of_the_buckets(
    client: TestClient, database: Database, log: list[Event], interval: str, first: int
) -> None:
    empty(database)
    take_in(database, log)
    for code in ("0", "61.01", "61.01.01.2001"):
        for path, query in (
            ("children", {"as_of": on(1)}),
            ("series", {"interval": interval}),
            ("series", {"interval": interval, "from": on(first), "to": on(7)}),
        ):
            now, known = (
                get(client, f"/v1/coverage/{code}/{path}", **query, **more) for more in ({}, {"known_at": "2026-06-21"})
            )
            assert known.pop("known_at") == "2026-06-21"
            assert without_known_at(known) == without_known_at(now)


def without_known_at(answer: Any) -> Any:
    """The answer without when it was known, in reasons too."""
    if isinstance(answer, list):
        return [without_known_at(each) for each in answer]
    if isinstance(answer, dict):
        return {name: without_known_at(value) for name, value in answer.items() if name not in ("known_at", "data")}
    return answer.replace(", as known at 2026-06-21", "") if isinstance(answer, str) else answer


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=logs)
def test_what_is_known_by_now_is_what_the_buckets_hold(database: Database, log: list[Event]) -> None:
    empty(database)
    take_in(database, log)
    now = answers.BY_NOW
    for day in (on(0), on(1), on(6)):
        for region in (0, 61, 6101, 610101, *NUMBERS):
            known = answers.active_people_known(database, region, day, activated_ms=now, amended_ms=now)
            assert known == answers.active_people(database, [region], day).get(region)


# Cases as they come in Sambas.


def recorded(day: str, kind: str, person: int, village: str, at: str, **more: Any) -> Json:
    return happened(kind, person, village, at, recorded_at=f"{day}T08:00:00+07:00", **more)


JUNE = ("2024-06-20T09:00:00", "2024-06-28T10:00:00")


@pytest.fixture
def sambas(clean: Database) -> Database:
    """Ten people counted on time; two of an office that was offline; one who had died, one who had moved away."""
    on_time = [happened("Activated", n, VILLAGES[n % 4], JUNE[0]) for n in range(1, 11)]
    late = [recorded("2024-07-05", "Activated", n, VILLAGES[3], JUNE[1]) for n in (11, 12)]
    corrected = [
        recorded("2024-07-08", "Deactivated", 1, VILLAGES[1], JUNE[1]),
        recorded("2024-07-09", "SubjectDeparted", 2, VILLAGES[2], JUNE[1], counterpart="61.72.01.1001"),
        recorded("2024-07-09", "SubjectArrived", 2, "61.72.01.1001", JUNE[1], counterpart=VILLAGES[2]),
    ]
    after = [happened("Activated", 13, VILLAGES[0], "2024-07-02T09:00:00")]
    references = [
        denominator("61.01", "recorded", "2024-06-30", 100, recorded_at="2024-06-30T12:00:00+07:00"),
        denominator("61.01", "recorded", "2024-06-30", 120, recorded_at="2024-07-15T12:00:00+07:00"),
        {**target("61.01", "recorded", 0.3, "2024-01-01"), "recorded_at": "2024-01-01T09:00:00+07:00"},
        {**target("61.01", "recorded", 0.4, "2024-06-01"), "recorded_at": "2024-07-20T09:00:00+07:00"},
    ]
    load(clean, [*on_time, *late, *corrected, *after, *references])
    return clean


def test_what_would_have_been_reported_then(client: TestClient, sambas: Database) -> None:
    query = {"as_of": "2024-06-30"}
    seen = [
        ("2024-06-30", 10, 0.1, 20),
        ("2024-07-05", 12, 0.12, 18),
        ("2024-07-05T07:59:59+07:00", 10, 0.1, 20),
        ("2024-07-05T08:00:00+07:00", 12, 0.12, 18),
        ("2024-07-08", 11, 0.11, 19),
        ("2024-07-09", 10, 0.1, 20),
        ("2024-07-15", 10, 0.083333, 26),
        ("2024-07-20", 10, 0.083333, 38),
    ]
    for known_at, count, coverage, missing in seen:
        answer = get(client, "/v1/coverage/61.01", **query, known_at=known_at)
        assert shown(answer) == {"count": count, "coverage": coverage, "missing": missing}, known_at
    now = get(client, "/v1/coverage/61.01", **query)
    assert now["known_at"] is None
    assert shown(now) == shown(answer)


def test_a_restatement_names_what_made_the_difference(client: TestClient, sambas: Database) -> None:
    answer = get(
        client, "/v1/coverage/61.01/restatement", **{"as_of": "2024-06-30", "from": "2024-06-30", "to": "2024-07-31"}
    )
    assert_parts_add_up(answer)
    assert answer["whole"] == {"count": 0, "coverage": -0.016667, "attainment": -0.125, "missing": 18}
    parts = {
        name: [values[each] for each in ("count", "coverage", "missing")] for name, values in answer["parts"].items()
    }
    assert parts == {
        "late_events": [2, 0.02, -2],
        "corrections": [-2, -0.02, 2],
        "denominator": [0, -0.016667, 6],
        "target": [0, 0.0, 12],
    }
    assert (answer["before"]["known_at"], answer["after"]["known_at"]) == ("2024-06-30", "2024-07-31")


def test_days_left_out(client: TestClient, sambas: Database) -> None:
    path = "/v1/coverage/61.01/restatement"
    cases: list[tuple[Mapping[str, str], tuple[str, str, str]]] = [
        ({"from": "2024-07-01"}, ("2024-07-01", "2024-07-01", "2026-06-21")),
        ({"as_of": "2024-06-30"}, ("2024-06-30", "2024-06-30", "2026-06-21")),
        ({"to": "2024-07-31"}, ("2024-07-31", "2024-07-31", "2024-07-31")),
        ({}, ("2026-06-21", "2026-06-21", "2026-06-21")),
    ]
    for query, days in cases:
        answer = get(client, path, **query)
        assert (answer["as_of"], answer["from"], answer["to"]) == days
    assert get(client, "/v1/coverage/61.01", known_at="2024-07-05T18:00:00Z")["as_of"] == "2024-07-06"


def test_nothing_known_then_is_absent_and_not_0(client: TestClient, sambas: Database) -> None:
    answer = get(client, "/v1/coverage/61.01", as_of="2024-06-10", known_at="2024-06-10")
    assert answer["numerator"] is None
    assert why(answer)["numerator"] == ("no events and no source reports for this region, as known at 2024-06-10")
    assert "as known at 2024-06-10" in why(answer)["denominator"]
    assert get(client, "/v1/coverage/61.01", as_of="2024-06-10")["numerator"]["value"] == 0
    assert get(client, "/v1/coverage/61.01", as_of="2024-06-10", known_at="2024-06-20")["numerator"]["value"] == 0
    restated = get(client, "/v1/coverage/61.01/restatement", **{"as_of": "2024-06-10", "from": "2024-06-10"})
    assert restated["whole"]["count"] is None
    assert_parts_add_up(restated)


def test_a_source_that_had_spoken_makes_it_0(client: TestClient, clean: Database) -> None:
    spoken = {**report("dukcapil-61.01", "61.01"), "occurred_at": "2024-06-10T09:00:00+07:00"}
    load(clean, [spoken])
    day = {"as_of": "2024-06-09"}
    assert get(client, "/v1/coverage/61.01", **day, known_at="2024-06-10")["numerator"]["value"] == 0
    assert get(client, "/v1/coverage/61.01", **day, known_at="2024-06-09")["numerator"] is None


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"known_at": "2026-06-22"}, "known_at is in the future"),
        ({"known_at": "9999-12-31"}, "known_at is in the future"),
        ({"known_at": "2024-06-30", "as_of": "2024-07-01"}, "as_of lies after known_at: then it was in the future"),
        ({"known_at": "2026-06-21", "as_of": "2026-06-22"}, "as_of is in the future"),
    ],
)
def test_what_can_not_be_known_is_absent(
    client: TestClient, sambas: Database, query: Mapping[str, str], reason: str
) -> None:
    answer = get(client, "/v1/coverage/61.01", **query)
    assert answer["numerator"] is answer["coverage"] is answer["missing"] is None
    assert why(answer)["numerator"] == reason


def test_a_report_of_a_day_to_come_is_absent_and_so_is_the_difference(client: TestClient, sambas: Database) -> None:
    days = {"as_of": "2024-07-05", "from": "2024-07-01", "to": "2024-07-31"}
    answer = get(client, "/v1/coverage/61.01/restatement", **days)
    assert answer["before"]["numerator"] is None
    assert answer["after"]["numerator"]["value"] == 11
    assert answer["whole"] == dict.fromkeys(FIGURES)
    assert list(answer["parts"].values()) == [answer["whole"]] * 4
    assert_parts_add_up(answer)
    reason = "as_of lies after known_at: then it was in the future"
    assert {each["reason"] for each in answer["absent"] if each["field"].startswith("parts")} == {reason}


def test_a_report_to_come_is_absent_and_so_is_the_difference(client: TestClient, sambas: Database) -> None:
    answer = get(client, "/v1/coverage/61.01/restatement", **{"from": "2024-07-01", "to": "2026-06-22"})
    assert answer["before"]["numerator"]["value"] == 10
    assert answer["after"]["numerator"] is None
    assert list(answer["parts"].values()) == [answer["whole"]] * 4 == [dict.fromkeys(FIGURES)] * 4
    assert_parts_add_up(answer)


def test_a_ranking_that_would_have_been_reported_then(client: TestClient, sambas: Database) -> None:
    """Each region in it says what it says when it is asked for alone."""
    for known_at in ("2024-07-05T07:59:59+07:00", "2024-07-20"):
        query = {"as_of": "2024-06-30", "known_at": known_at}
        ranking = get(client, "/v1/coverage/61/children", **query)
        assert ranking["items"][0]["region"]["code"] == "61.01"
        for each in ranking["items"]:
            alone = get(client, f"/v1/coverage/{each['region']['code']}", **query, basis=ranking["basis"])
            assert each == {name: alone[name] for name in each} | {"absent": each["absent"]}
            assert {name: reason for name, reason in why(alone).items() if name in each} == why(each)
        assert ranking["numerator"]["value"] == sum(
            each["numerator"]["value"] for each in ranking["items"] if each["numerator"]
        )


def test_a_series_that_would_have_been_reported_then(client: TestClient, sambas: Database) -> None:
    path, days = "/v1/coverage/61.01/series", {"from": "2024-06-27", "to": "2024-06-30"}
    seen = [
        ("2024-06-30", [10, 10, 10, 10]),
        ("2024-07-05", [10, 12, 12, 12]),
        ("2024-07-08", [10, 11, 11, 11]),
        ("2024-07-09", [10, 10, 10, 10]),
    ]
    for known_at, active in seen:
        answer = get(client, path, **days, known_at=known_at)
        assert answer["known_at"] == known_at
        assert [each["active"] for each in answer["points"]] == active
    changed = {"activated": 2, "deactivated": 1, "moved_in": 0, "moved_out": 1, "active_change": 0}
    assert changed.items() <= answer["points"][1].items()
    assert get(client, path, **days)["known_at"] is None
    assert get(client, path, known_at="2024-07-01")["to"] == "2024-06-20"  # the last day of what was known


@pytest.mark.parametrize(
    ("query", "points", "reason"),
    [
        ({"known_at": "2026-06-22"}, 0, "known_at is in the future"),
        ({"known_at": "2024-06-10"}, 0, "no events and no source reports for this region, as known at 2024-06-10"),
        (
            {"known_at": "2024-06-30", "from": "2024-07-01", "to": "2024-07-02"},
            0,
            "the days asked for lie after known_at: then they were in the future",
        ),
        (
            {"known_at": "2024-06-30", "from": "2024-06-30", "to": "2024-07-02"},
            1,
            "what follows 2024-06-30 was in the future at known_at",
        ),
    ],
)
def test_a_series_that_can_not_be_known_is_absent(
    client: TestClient, sambas: Database, query: Mapping[str, str], points: int, reason: str
) -> None:
    answer = get(client, "/v1/coverage/61.01/series", **query)
    assert len(answer["points"]) == points
    assert why(answer)["points"] == reason


def test_a_ranking_that_can_not_be_known_is_absent(client: TestClient, sambas: Database) -> None:
    answer = get(client, "/v1/coverage/61.01/children", known_at="2026-06-22")
    assert answer["numerator"] is None
    assert why(answer)["numerator"] == "known_at is in the future"
    assert {why(each)["numerator"] for each in answer["items"]} == {"known_at is in the future"}
    silent = get(client, "/v1/coverage/61.01/children", known_at="2024-06-10")
    assert {each["numerator"] for each in silent["items"]} == {None}


PAST = [
    ("/v1/coverage/61.01", {"as_of": "2024-06-30", "known_at": "2024-07-20"}),
    ("/v1/coverage/61/children", {"as_of": "2024-06-30", "known_at": "2024-07-20"}),
    ("/v1/coverage/61.01/series", {"known_at": "2024-07-20"}),
    ("/v1/coverage/0", {"as_of": "2024-06-30", "known_at": "2024-07-05T12:00:00+07:00"}),
]


def test_a_past_report_does_not_move_while_events_are_taken_in(client: TestClient, sambas: Database) -> None:
    """The same people, moved, ended and counted anew by what is recorded since, and taken in again and again."""

    def ask() -> list[Json]:
        return [{k: v for k, v in get(client, path, **query).items() if k != "data"} for path, query in PAST]

    since = [
        *(recorded("2024-07-21", "Deactivated", n, VILLAGES[n % 4], "2024-06-25T09:00:00") for n in range(3, 7)),
        *(recorded("2024-07-22", "SubjectArrived", n, VILLAGES[0], "2024-06-26T09:00:00") for n in range(5, 9)),
        *(recorded("2024-07-23", "Activated", n, VILLAGES[1], "2024-06-24T09:00:00") for n in range(20, 26)),
        *(recorded("2024-07-24", "SubjectDeparted", n, VILLAGES[0], "2024-06-19T09:00:00") for n in range(1, 11)),
    ]

    def in_batches() -> None:
        for n in range(0, len(since), 3):
            load(sambas, since[n : n + 5])

    past = ask()
    asked = 0
    with ThreadPoolExecutor(1) as worker:
        taken_in = worker.submit(in_batches)
        while not taken_in.done():
            assert ask() == past
            asked += 1
        taken_in.result()
    assert asked
    assert ask() == past
    assert get(client, "/v1/coverage/61.01", as_of="2024-06-30")["numerator"] != past[0]["numerator"]


@pytest.mark.parametrize("path", ["/v1/coverage/61.01", "/v1/coverage/61.01/children", "/v1/coverage/61.01/series"])
@pytest.mark.parametrize("value", ["", "yesterday", "2024-06-31", "2024-07-01T10:00:00", "1719716400", "20240701"])
def test_a_malformed_known_at_is_refused(client: TestClient, path: str, value: str) -> None:
    answer = client.get(path, params={"known_at": value})
    assert answer.status_code == 422
    (named,) = answer.json()["parameters"]
    assert named["name"] == "known_at"
    assert "2024-07-01T10:00:00+07:00" in named["allowed"]


@pytest.mark.parametrize("value", ["9999-12-31T23:00:00Z", "0001-01-01T00:00:00+14:00", "0001-01-01", "1969-01-01"])
def test_the_ends_of_time_break_nothing(client: TestClient, sambas: Database, value: str) -> None:
    for path, field in (("", "numerator"), ("/children", "numerator"), ("/series", "points")):
        answer = client.get(f"/v1/coverage/61.01{path}", params={"known_at": value})
        assert answer.status_code in (200, 422)
        if answer.status_code == 200:
            assert not answer.json()[field]


def test_a_report_before_the_earlier_one_is_refused(client: TestClient) -> None:
    answer = client.get("/v1/coverage/61.01/restatement", params={"from": "2024-07-02", "to": "2024-07-01"})
    assert answer.status_code == 422
    assert [each["name"] for each in answer.json()["parameters"]] == ["from"]
    assert client.get("/v1/coverage/99/restatement").status_code == 404


def test_a_day_ends_at_midnight_in_western_indonesia() -> None:
    end = dt.datetime.fromtimestamp(last_ms(dt.date(2024, 7, 1)) / 1000, dt.UTC)
    assert end.isoformat(timespec="milliseconds") == "2024-07-01T16:59:59.999+00:00"
    assert last_ms(end) == last_ms(dt.date(2024, 7, 1))
