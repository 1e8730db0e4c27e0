"""The public view: what the API tells of people without a key, and an attempt to recover small counts from it."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.public import CHANGES, withheld_for
from events import regions
from projections import keys
from projections.clickhouse import Database
from tests.asking import Json, asked, why
from tests.attack import Range, bounds
from tests.conftest import empty
from tests.test_access_api import ROUTES, SCOPES, YEAR
from tests.test_api_world import NOW, OPTIONS, denominator, happened, load, report
from tests.test_api_world import target as target_of
from tests.test_suppression import SMALLEST, small, summed

GUARDED = replace(OPTIONS, public_smallest=SMALLEST, public_level="village")
TOLD = ("/v1/coverage/{}", "/v1/coverage/{}/children", "/v1/coverage/{}/series")
# People by village on the first day, and who comes on the two days after it.
VILLAGES = {
    6101012001: (4, 0, 1),
    6101012002: (4, 1, 0),
    6101012003: (4, 0, 0),
    6101012004: (4, 3, 0),
    6101012005: (4, 0, 2),
    6101022001: (40, 2, 4),
    6101022002: (3, 0, 0),
    6102062001: (23, 0, 1),
    6271011001: (1, 1, 1),
    6271011002: (0, 17, 0),
}
DAYS = [dt.date(2024, 6, 10), dt.date(2024, 6, 11), dt.date(2024, 6, 12)]
POPULATION = {6101: 651, 610101: 61, 6101012001: 7, 6101022001: 97, 61: 5_646, 0: 284_973, 6271011001: 3}


def people_on(place: int) -> dict[int, int]:
    """People by region at the end of a day."""
    return summed({village: sum(came[: place + 1]) for village, came in VILLAGES.items()})


@pytest.fixture(scope="module")
def world(database: Database) -> Database:
    empty(database)
    people = itertools.count(1)
    events = [
        happened("Activated", next(people), regions.format_code(village), f"{day}T09:00:00")
        for village, came in VILLAGES.items()
        for day, count in zip(DAYS, came, strict=True)
        for _ in range(count)
    ]
    counts = [denominator(regions.format_code(each), "population", "2023-12-31", n) for each, n in POPULATION.items()]
    load(database, [report("dukcapil", "0"), target_of("0", "population", 0.3, "2024-01-01"), *counts, *events])
    return database


@pytest.fixture(scope="module", params=[OPTIONS.held_bytes, 0], ids=["from memory", "from the table"])
def client(world: Database, request: pytest.FixtureRequest) -> Iterator[TestClient]:
    with TestClient(create_app(world, replace(GUARDED, held_bytes=request.param))) as each:
        yield each


@pytest.fixture(scope="module")
def secrets(world: Database) -> dict[str, str]:
    return {name: keys.add(world, name, region, 3, NOW + YEAR, NOW) for name, region in SCOPES.items()}


def told(client: TestClient, day: dt.date) -> dict[int, Json]:
    """Everything that the API tells of a day, by region: what lists say of a region is what it says of itself."""
    own = {code: asked(client, f"/v1/coverage/{regions.format_code(code)}", as_of=day) for code in people_on(0)}
    found = dict(own)
    for code, answer in own.items():
        path = f"/v1/coverage/{regions.format_code(code)}/children"
        listed = asked(client, path, as_of=day, basis=answer["basis"], limit=1000)
        assert listed["numerator"] == answer["numerator"]
        for each in listed["items"]:
            number = regions.parse_code(each["region"]["code"])
            figures = ("numerator", "denominator", "coverage", "attainment", "missing", "suppressed")
            assert all(each[name] == own.get(number, each)[name] for name in figures)
            found.setdefault(number, each)
    return found


def ranges(answers: Mapping[int, Json]) -> dict[int, Range]:
    """What every figure of the answers allows: the count itself, coverage and attainment times what they divide by."""
    known = {}
    for code, answer in answers.items():
        if answer["numerator"] is None:
            known[code] = Range(0)
            continue
        value = answer["numerator"]["value"]
        known[code] = Range(value, value + SMALLEST - 1 if value else 0)
        if answer["coverage"] is not None:
            assert round(answer["coverage"] * answer["denominator"]["value"]) == value
        if answer["missing"] is not None:
            assert answer["missing"] + value == -(-answer["denominator"]["value"] * 3 // 10)
    return known


@pytest.mark.parametrize("place", range(len(DAYS)))
def test_no_small_count_can_be_recovered(client: TestClient, place: int) -> None:
    counts = people_on(place)
    answers = told(client, DAYS[place])
    known = ranges(answers)
    for code, count in counts.items():
        if small(count) and not any(answers[each]["suppressed"] for each in regions.ancestors_of(code)[1:]):
            known[code] = Range(1, SMALLEST - 1)
    found = bounds(0, {code: regions.numbers_below(code) for code in counts}, known)
    assert [code for code, count in counts.items() if small(count) and found[code].told] == []
    assert any(answer["suppressed"] for answer in answers.values())
    assert any(answer["numerator"] and not answer["suppressed"] for answer in answers.values())


def test_the_attempt_succeeds_on_what_a_key_is_told(client: TestClient, secrets: dict[str, str]) -> None:
    """Which is everything: the attempt is one."""
    headers = {"X-API-Key": secrets["nation"]}
    for code, count in people_on(0).items():
        path = f"/v1/coverage/{regions.format_code(code)}?as_of={DAYS[0]}"
        answer = client.get(path, headers=headers).json()
        assert (answer["numerator"]["value"], answer["suppressed"]) == (count, False)
        assert answer["numerator"]["definition"] == "people with an active IKD, by domicile"


def test_what_is_withheld_is_null_with_its_reason(client: TestClient) -> None:
    answer = asked(client, "/v1/coverage/62.71.01.1001", as_of=DAYS[1])
    assert answer["suppressed"] is True
    assert [answer[name] for name in ("numerator", "coverage", "attainment", "missing")] == [None] * 4
    assert answer["denominator"]["value"] == POPULATION[6271011001]
    reasons = why(answer)
    assert {reasons[name] for name in ("numerator", "coverage", "attainment", "missing")} == {withheld_for(SMALLEST)}
    nobody = asked(client, "/v1/coverage/62.71.01.1003", as_of=DAYS[1])
    assert (nobody["numerator"]["value"], nobody["suppressed"]) == (0, False)


def test_counts_say_that_they_are_rounded(client: TestClient) -> None:
    numerator = asked(client, "/v1/coverage/61.02.06.2001", as_of=DAYS[0])["numerator"]
    assert numerator["value"] == 20
    assert numerator["definition"].endswith("; rounded down to a multiple of 5")


def test_ranks_are_those_of_what_is_shown(client: TestClient) -> None:
    """Where two show the same, the register's order says nothing of which is larger."""
    items = asked(client, "/v1/coverage/0/children", as_of=DAYS[0], sort="numerator", limit=1000)["items"]
    ranked = [(each["numerator"]["value"], each["region"]["code"]) for each in items if each["numerator"]]
    assert ranked == sorted(ranked, key=lambda each: (-each[0], each[1]))


def test_a_series_tells_what_single_days_do_and_no_changes(client: TestClient) -> None:
    for code in people_on(0):
        path = f"/v1/coverage/{regions.format_code(code)}"
        answer = asked(client, f"{path}/series", **{"from": DAYS[0], "to": DAYS[-1]})
        assert len(answer["points"]) == len(DAYS)
        for point in answer["points"]:
            own = asked(client, path, as_of=point["end"])["numerator"]
            assert point["active"] == (own and own["value"])
            assert [point[name] for name in CHANGES] == [None] * len(CHANGES)
        reasons = why(answer)
        assert {f"points.{name}" for name in CHANGES} <= reasons.keys()
        assert ("points.active" in reasons) == any(each["active"] is None for each in answer["points"])


def test_a_series_does_not_tell_when_the_first_one_came(client: TestClient) -> None:
    for code in ("0", "62.71.01.1001", "61.01.01.2002"):
        answer = asked(client, f"/v1/coverage/{code}/series")
        assert (answer["from"], answer["to"]) == (str(DAYS[0]), str(DAYS[-1]))


def test_days_apart_never_tell_of_fewer(client: TestClient) -> None:
    """Of every region: two shown counts are the same or at least so many apart."""
    shown = [ranges(told(client, day)) for day in DAYS]
    for one, other in itertools.combinations(shown, 2):
        apart = {
            abs(one[code].low - other[code].low)
            for code in one
            if one[code].high and other[code].high < 10**9 > one[code].high
        }
        assert all(each == 0 or each >= SMALLEST for each in apart)


def test_all_other_routes_of_a_region_need_a_key_that_holds_it(client: TestClient, secrets: dict[str, str]) -> None:
    def status(path: str, name: str = "") -> int:
        headers = {"X-API-Key": secrets[name]} if name else {}
        return client.get(path + ("?end=now" if path.endswith("/live") else ""), headers=headers).status_code

    for route in ROUTES:
        path = route.format("61.01")
        well = 422 if route.endswith("/live") else 200
        told = route in TOLD
        assert status(path) == (200 if told else 401), path
        assert status(path, "kalteng") == (200 if told else 403), path
        assert status(path, "sambas") == well, path
    for route in TOLD:
        assert status(route.format("61.01") + "?known_at=2024-07-01") == 401
        assert status(route.format("61.01") + "?known_at=2024-07-01", "sambas") == 200
    refused = client.get("/v1/barriers/61.01").json()
    assert "how many were active at the end of a day" in refused["detail"]


def test_a_key_tells_the_exact_counts_of_its_scope_only(client: TestClient, secrets: dict[str, str]) -> None:
    def value(code: str) -> Any:
        path = f"/v1/coverage/{code}?as_of={DAYS[0]}"
        return client.get(path, headers={"X-API-Key": secrets["sambas"]}).json()["numerator"]["value"]

    assert value("61.01.02.2001") == 40
    assert value("61.01.01.2001") == 4
    assert value("61.02") == 20
    assert value("0") == people_on(0)[0] // SMALLEST * SMALLEST


def test_no_number_of_events_of_a_region_is_told(client: TestClient, secrets: dict[str, str]) -> None:
    open_to_all = asked(client, "/v1/freshness")
    assert [each["events_sent"] for each in open_to_all["sources"]] == [None]
    assert "sources.events_sent" in why(open_to_all)
    exact = client.get("/v1/freshness", headers={"X-API-Key": secrets["nation"]}).json()
    assert all(isinstance(each["events_sent"], int) for each in exact["sources"])
    assert client.get("/v1/stream").status_code == 401


def test_an_answer_follows_what_was_written(world: Database) -> None:
    """What was found out of a day is dropped when a count changes."""
    with TestClient(create_app(world, GUARDED)) as client:
        path = "/v1/coverage/63.01.01.2003"
        assert asked(client, path, as_of=DAYS[-1])["numerator"]["value"] == 0
        place = "63.01.01.2003"
        load(world, [happened("Activated", 10_000, place, f"{DAYS[-1]}T10:00:00")])
        assert asked(client, path, as_of=DAYS[-1])["suppressed"] is True
        load(world, [happened("Activated", 10_001 + n, place, f"{DAYS[-1]}T10:00:00") for n in range(5)])
        assert asked(client, path, as_of=DAYS[-1])["numerator"]["value"] == 5
