"""The API asked as its users ask it, over the real database: the coverage contract, and what can't be given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from projections.clickhouse import Database
from tests.asking import why
from tests.test_api_world import ACTIVE, OPTIONS, VILLAGES, seed

Json = dict[str, Any]


@pytest.fixture(scope="module")
def client(database: Database) -> Iterator[TestClient]:
    seed(database)
    with TestClient(create_app(database, OPTIONS)) as each:
        yield each


def get(client: TestClient, path: str, **query: Any) -> Json:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    found: Json = answer.json()
    return found


def test_sambas(client: TestClient) -> None:
    answer = get(client, "/v1/coverage/61.01", as_of="2024-06-30")
    assert answer == {
        "region": {"code": "61.01", "name": "Kabupaten Sambas", "level": "regency"},
        "as_of": "2024-06-30",
        "known_at": None,
        "basis": "recorded",
        "numerator": {"value": 43_336, "definition": "people with an active IKD, by domicile"},
        "denominator": {
            "value": 452_092,
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
        "missing": 92_292,
        "suppressed": False,
        "absent": [],
        "data": {
            "position": {"ikd.activation.v1": {"0": 100}, "ikd.heartbeat.v1": {"0": 2}, "ikd.reference.v1": {"0": 16}},
            "age_seconds": 2.0,
            "verified_up_to": {"ikd.activation.v1": {"0": 90}},
            "verified_at": "2026-06-21T01:30:30Z",
            "synthetic": True,
        },
    }


def test_another_basis_leaves_attainment_alone(client: TestClient) -> None:
    answer = get(client, "/v1/coverage/61.01", as_of="2024-06-30", basis="population")
    assert (answer["denominator"]["value"], answer["coverage"]) == (648_037, 0.066873)
    assert (answer["attainment"], answer["missing"]) == (0.319522, 92_292)
    assert answer["absent"] == []


def test_the_latest_vintage_of_the_day_counts(client: TestClient) -> None:
    answer = get(client, "/v1/coverage/61.01", as_of="2025-03-01", basis="population")
    assert answer["denominator"]["vintage"] == "2024-12-31"
    assert answer["numerator"]["value"] == ACTIVE + 1


def test_a_region_without_its_own_target_gets_the_nearest_above(client: TestClient) -> None:
    answer = get(client, "/v1/coverage/61", as_of="2024-06-30")
    assert answer["target"]["region"] == "0"
    assert answer["basis"] == "wajib_ktp"
    assert answer["denominator"] is answer["coverage"] is answer["attainment"] is answer["missing"] is None
    reasons = why(answer)
    assert reasons["denominator"] == "no denominator published for this level on basis wajib_ktp"
    assert reasons["coverage"] == reasons["denominator"]
    assert reasons["attainment"] == f"on the target's basis, wajib_ktp: {reasons['denominator']}"
    below = get(client, "/v1/coverage/61.01.01", as_of="2024-06-30")
    assert below["target"]["region"] == "61.01"


def test_the_target_follows_the_day(client: TestClient) -> None:
    assert get(client, "/v1/coverage/0", as_of="2023-12-31")["target"]["ratio"] == 0.25
    assert get(client, "/v1/coverage/0", as_of="2024-01-01")["target"]["ratio"] == 0.3
    assert get(client, "/v1/coverage/61.01", as_of="2025-01-01")["target"]["region"] == "0"
    before = get(client, "/v1/coverage/61.01", as_of="2021-12-31")
    assert before["target"] is None
    assert why(before)["attainment"] == "no target holds on 2021-12-31 for this region or one above it"
    assert before["basis"] == "recorded"


def test_before_the_first_denominator_coverage_is_absent(client: TestClient) -> None:
    answer = get(client, "/v1/coverage/61.01", as_of="2024-06-29")
    assert answer["numerator"]["value"] == ACTIVE - 80
    assert answer["denominator"] is answer["coverage"] is None
    assert why(answer)["coverage"] == "as_of is before the first denominator on this basis, 2024-06-30"


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "1969-07-01", "2021-12-31"])
def test_long_ago_nobody_was_active_and_there_is_no_coverage(client: TestClient, day: str) -> None:
    answer = get(client, "/v1/coverage/61.01", as_of=day)
    assert answer["numerator"]["value"] == 0
    assert answer["coverage"] is answer["denominator"] is answer["target"] is answer["attainment"] is None


@pytest.mark.parametrize("day", ["2026-06-22", "2149-06-07", "9999-12-31"])
@pytest.mark.parametrize("path", ["/v1/coverage/61.01", "/v1/coverage/61/children", "/v1/coverage/0"])
def test_the_future_is_absent_and_never_zero(client: TestClient, path: str, day: str) -> None:
    answer = get(client, path, as_of=day)
    for each in [*answer.get("items", []), *([answer] if "items" not in answer else [])]:
        fields = ("numerator", "denominator", "coverage", "target", "attainment", "missing")
        assert [each[name] for name in fields] == [None] * 6
        assert [why(each)[name] for name in fields] == ["as_of is in the future"] * 6
    assert answer["numerator"] is None
    assert why(answer)["numerator"] == "as_of is in the future"


def test_today_is_the_day_in_western_indonesia(client: TestClient) -> None:
    assert get(client, "/v1/coverage/61.01")["as_of"] == "2026-06-21"
    assert get(client, "/v1/coverage/61.01", as_of="2026-06-21")["numerator"]["value"] == ACTIVE + 1


def test_an_estimate_is_given_only_when_asked_for_and_says_so(client: TestClient) -> None:
    plain = get(client, "/v1/coverage/61.01", as_of="2024-06-30", basis="wajib_ktp")
    assert plain["coverage"] is None
    assert why(plain)["coverage"] == "only an estimate exists; ask for it with estimate=true"
    asked = get(client, "/v1/coverage/61.01", as_of="2024-06-30", basis="wajib_ktp", estimate=True)
    assert asked["denominator"]["estimated"] is True
    assert asked["denominator"]["method"] == "0.736 of the population"
    assert asked["coverage"] == round(ACTIVE / 477_000, 6)
    published = get(client, "/v1/coverage/61.01", as_of="2024-06-30", estimate=True)
    assert published["denominator"]["estimated"] is False
    district = get(client, "/v1/coverage/61.01.01", as_of="2025-01-01", basis="population", estimate=True)
    assert (district["denominator"]["value"], district["denominator"]["method"]) == (58_067, "scaled_2018")


def test_a_first_estimate_that_comes_later_is_said(client: TestClient) -> None:
    answer = get(client, "/v1/coverage/61.01.01", as_of="2024-06-30", basis="population", estimate=True)
    assert why(answer)["denominator"] == "as_of is before the first denominator on this basis, 2024-12-31"


def test_no_news_is_not_zero(client: TestClient) -> None:
    nothing = get(client, "/v1/coverage/11", as_of="2024-12-31")
    assert nothing["numerator"] is None
    unheard = "no events and no source reports for this region"
    assert [why(nothing)[name] for name in ("numerator", "coverage", "attainment", "missing")] == [unheard] * 4


@pytest.mark.parametrize(
    ("code", "speaks"),
    [
        ("61.07", "its own source"),
        ("61.07.01", "a source above it"),
        ("61.72.02", None),
        ("61.01.19.2001", "a source two levels above"),
        ("61.71", None),
        ("62", None),
    ],
)
def test_zero_only_where_a_source_speaks(client: TestClient, code: str, speaks: str | None) -> None:
    answer = get(client, f"/v1/coverage/{code}", as_of="2024-06-30")
    assert answer["numerator"] == (
        {"value": 0, "definition": "people with an active IKD, by domicile"} if speaks else None
    )


def test_attainment_of_nobody_is_zero_and_all_are_missing(client: TestClient) -> None:
    answer = get(client, "/v1/coverage/61.07", as_of="2024-06-30")
    assert (answer["coverage"], answer["attainment"], answer["missing"]) == (0.0, 0.0, 37_444)


@pytest.mark.parametrize("parent", ["0", "61", "61.01", "61.01.01"])
@pytest.mark.parametrize("day", ["2023-06-30", "2024-06-27", "2024-06-30", "2026-06-21"])
def test_children_add_up_to_their_parent(client: TestClient, parent: str, day: str) -> None:
    own = get(client, f"/v1/coverage/{parent}", as_of=day)["numerator"]["value"]
    ranking = get(client, f"/v1/coverage/{parent}/children", as_of=day, sort="numerator", limit=1000)
    known = [each["numerator"]["value"] for each in ranking["items"] if each["numerator"]]
    assert sum(known) == own == ranking["numerator"]["value"]
    assert ranking["total"] == len(ranking["items"])


def test_every_child_is_what_it_is_when_asked_alone(client: TestClient) -> None:
    ranking = get(client, "/v1/coverage/61/children", as_of="2024-12-31", basis="population", estimate=True)
    for each in ranking["items"]:
        alone = get(
            client, f"/v1/coverage/{each['region']['code']}", as_of="2024-12-31", basis="population", estimate=True
        )
        del alone["data"]
        assert alone == each


def test_children_are_ranked_on_one_basis_and_absent_ones_come_last(client: TestClient) -> None:
    ranking = get(client, "/v1/coverage/61/children", as_of="2024-12-31")
    assert ranking["basis"] == "wajib_ktp"
    assert {each["basis"] for each in ranking["items"]} == {"wajib_ktp"}
    for order in ("asc", "desc"):
        ranking = get(client, "/v1/coverage/61/children", as_of="2024-12-31", basis="population", order=order)
        values = [each["coverage"] for each in ranking["items"]]
        given = [each for each in values if each is not None]
        assert given == sorted(given, reverse=order == "desc")
        assert values[len(given) :] == [None] * (14 - len(given))
        assert len(given) == 3


def test_children_by_name_and_missing(client: TestClient) -> None:
    by_name = get(client, "/v1/coverage/61.01/children", sort="name")["items"]
    names = [each["region"]["name"] for each in by_name]
    assert names == sorted(names)
    assert len(names) == 19
    by_missing = get(client, "/v1/coverage/61/children", as_of="2024-06-30", sort="missing")["items"]
    assert [each["region"]["code"] for each in by_missing[:2]] == ["61.01", "61.07"]


def test_pages_of_children_are_slices_of_the_whole(client: TestClient) -> None:
    whole = get(client, "/v1/coverage/61.01/children", sort="numerator")["items"]
    pages = []
    for offset in range(0, 19, 5):
        page = get(client, "/v1/coverage/61.01/children", sort="numerator", limit=5, offset=offset)
        assert page["total"] == 19
        pages += page["items"]
    assert pages == whole
    assert get(client, "/v1/coverage/61.01/children", offset=19)["items"] == []


def test_a_village_has_no_children(client: TestClient) -> None:
    answer = get(client, f"/v1/coverage/{VILLAGES[0]}/children")
    assert (answer["total"], answer["items"]) == (0, [])
    assert get(client, f"/v1/regions/{VILLAGES[0]}/children")["total"] == 0


@pytest.mark.parametrize("interval", ["day", "week", "month"])
@pytest.mark.parametrize("code", ["0", "61", "61.01", "61.01.01", "61.72", *VILLAGES])
def test_a_series_ends_with_the_coverage_of_that_day(client: TestClient, code: str, interval: str) -> None:
    for last in ("2024-06-30", "2024-06-12", "2026-01-07"):
        answer = get(client, f"/v1/coverage/{code}/series", interval=interval, to=last)
        own = get(client, f"/v1/coverage/{code}", as_of=last)["numerator"]["value"]
        points = answer["points"]
        assert points[-1]["active"] == own
        assert points[-1]["end"] == answer["to"] == last
        assert sum(each["active_change"] for each in points) == own
        for each in points:
            moved = each["moved_in"] - each["moved_out"]
            assert each["active_change"] == each["activated"] - each["deactivated"] + moved
        assert [each["active"] for each in points] == running(points)


def running(points: list[Json]) -> list[int]:
    total, sums = 0, []
    for each in points:
        total += each["active_change"]
        sums.append(total)
    return sums


def test_a_series_fills_every_period_and_carries_what_was_before(client: TestClient) -> None:
    answer = get(client, "/v1/coverage/61.01/series", interval="day", **{"from": "2024-06-20", "to": "2024-07-03"})
    points = answer["points"]
    assert [each["start"] for each in points][:3] == ["2024-06-20", "2024-06-21", "2024-06-22"]
    assert len(points) == 14
    by_day = {each["start"]: each for each in points}
    assert by_day["2024-06-30"]["active"] == ACTIVE
    assert by_day["2024-06-30"]["activated"] == 80
    assert by_day["2024-07-01"] == {
        **dict.fromkeys(("active_change", "activated", "deactivated", "moved_in", "moved_out"), 0),
        "start": "2024-07-01",
        "end": "2024-07-01",
        "active": ACTIVE,
    }
    assert by_day["2024-07-03"]["active"] == ACTIVE + 1
    assert (by_day["2024-06-29"]["moved_out"], by_day["2024-06-29"]["active_change"]) == (1, -1)


def test_weeks_begin_on_monday_and_the_ends_are_cut(client: TestClient) -> None:
    answer = get(client, "/v1/coverage/61.01/series", interval="week", **{"from": "2024-06-20", "to": "2024-07-02"})
    assert [(each["start"], each["end"]) for each in answer["points"]] == [
        ("2024-06-20", "2024-06-23"),
        ("2024-06-24", "2024-06-30"),
        ("2024-07-01", "2024-07-02"),
    ]
    months = get(client, "/v1/coverage/61.01/series", interval="month", **{"from": "2024-01-31", "to": "2024-03-01"})
    assert [(each["start"], each["end"]) for each in months["points"]] == [
        ("2024-01-31", "2024-01-31"),
        ("2024-02-01", "2024-02-29"),
        ("2024-03-01", "2024-03-01"),
    ]


def test_a_series_without_a_range_is_that_of_the_data(client: TestClient) -> None:
    answer = get(client, "/v1/coverage/61.01/series", interval="month")
    assert answer["to"] == "2024-07-02"
    assert answer["points"][0]["start"] == answer["from"]
    assert answer["points"][0]["activated"] > 0


def test_a_series_of_an_unheard_region_has_no_points(client: TestClient) -> None:
    answer = get(client, "/v1/coverage/11/series", **{"from": "2024-01-01", "to": "2024-02-01"})
    assert answer["points"] == []
    assert why(answer)["points"] == "no events and no source reports for this region"


def test_a_series_of_a_region_that_only_a_source_names(client: TestClient) -> None:
    assert "no event has named" in why(get(client, "/v1/coverage/61.07/series"))["points"]
    asked = get(client, "/v1/coverage/61.07/series", **{"from": "2024-06-01", "to": "2024-06-03"})
    assert [each["active"] for each in asked["points"]] == [0, 0, 0]


def test_a_series_ends_today(client: TestClient) -> None:
    answer = get(client, "/v1/coverage/61.01/series", **{"from": "2026-06-20", "to": "2026-07-01"})
    assert [each["start"] for each in answer["points"]] == ["2026-06-20", "2026-06-21"]
    assert why(answer)["points"] == "what follows today, 2026-06-21, is in the future"
    later = get(client, "/v1/coverage/61.01/series", **{"from": "2027-01-01", "to": "9999-12-31"})
    assert later["points"] == []
    assert "points" in why(later)


def test_rates_before_a_moment(client: TestClient) -> None:
    answer = get(client, "/v1/rates/61.01", at="2024-06-30T10:00:40+07:00")
    minute, hour, day = answer["windows"]
    assert (minute["from"], minute["to"]) == ("2024-06-30T03:00:00Z", "2024-06-30T03:01:00Z")
    assert minute["total"] == {"events": 32, "registered": 0, "activated": 31, "failed": 1, "deactivated": 0}
    assert hour["total"]["activated"] == day["total"]["activated"] == 80
    assert (hour["window"], hour["from"]) == ("hour", "2024-06-30T02:01:00Z")
    for each in answer["windows"]:
        for name, value in each["total"].items():
            assert sum(channel[name] for channel in each["channels"].values()) == value
    assert set(minute["channels"]) == {"office", "jemput_bola"} | set(minute["channels"])


@pytest.mark.parametrize("code", ["0", "61", "61.01"])
def test_rates_of_the_levels_agree(client: TestClient, code: str) -> None:
    at = "2024-06-30T03:01:00Z"
    below = get(client, f"/v1/rates/{code}", at=at)["windows"]
    assert [each["total"]["activated"] for each in below] == [31, 80, 80]
    villages = [get(client, f"/v1/rates/{each}", at=at)["windows"][1]["total"]["events"] for each in VILLAGES]
    assert sum(villages) == below[1]["total"]["events"]


def rates_of(client: TestClient, code: str, **query: str) -> tuple[list[int | None], set[str]]:
    """Events of the three windows, and the reasons of those without data."""
    answer = get(client, f"/v1/rates/{code}", **query)
    reasons = {each["reason"] for each in answer["absent"] if each["field"].startswith("windows.")}
    return [each["total"] and each["total"]["events"] for each in answer["windows"]], reasons


def test_rates_are_zero_only_where_somebody_vouches_for_it(client: TestClient) -> None:
    assert get(client, "/v1/rates/61.01")["at"] == "2026-06-21T01:30:30Z"
    silent = "no data: there are no events, and the sources for this region were silent"
    assert rates_of(client, "61.01") == ([None] * 3, {silent})  # its source has been silent for two years
    assert rates_of(client, "61.01", at="2024-06-30T12:30:00+07:00") == ([0, 0, 81], set())
    unheard = "no data: nothing had been heard of this region by then, neither an event nor a source"
    assert rates_of(client, "11") == ([None] * 3, {unheard})
    assert rates_of(client, "61.01", at="2026-06-21T01:30:31Z") == ([None] * 3, {"at is in the future"})


@pytest.mark.parametrize("at", ["0001-01-02T00:00:00Z", "1969-01-01T00:00:00Z", "2022-01-01T00:00Z"])
def test_before_the_first_event_there_are_no_rates(client: TestClient, at: str) -> None:
    assert rates_of(client, "61.01", at=at)[0] == [None] * 3


def test_a_plus_in_a_query_may_stand_as_it_is(client: TestClient) -> None:
    answer = client.get("/v1/rates/61.01?at=2024-06-30T10:00:40+07:00")
    assert answer.json()["at"] == "2024-06-30T03:00:40Z"


def test_regions(client: TestClient) -> None:
    village = get(client, f"/v1/regions/{VILLAGES[0]}")
    assert village["level"] == "village"
    assert [each["code"] for each in village["parents"]] == ["61.01.01", "61.01", "61", "0"]
    nation = get(client, "/v1/regions/0")
    assert (nation["name"], nation["parents"], nation["children"]) == ("Indonesia", [], 38)
    provinces = get(client, "/v1/regions/0/children", limit=2, offset=1)
    assert provinces["total"] == 38
    assert [each["code"] for each in provinces["items"]] == ["12", "13"]


def test_freshness(client: TestClient) -> None:
    answer = get(client, "/v1/freshness")
    first = answer["partitions"][0]
    assert first == {
        "topic": "ikd.activation.v1",
        "partition": 0,
        "position": 100,
        "head": 100,
        "lag": 0,
        "record_at": "2026-06-21T01:30:28Z",
        "checked_at": "2026-06-21T01:30:28Z",
    }
    assert answer["data"]["age_seconds"] == 2.0
    by_name = {each["source"]: each for each in answer["sources"]}
    assert by_name["dukcapil-61.07"]["regions"] == ["61.07", "61.72.01"]
    assert by_name["synthetic/dukcapil-61.01"]["events_sent"] == 268_114
    assert by_name["dukcapil-61.07"]["complete_until"] == "2024-06-30T09:59:00Z"
    assert by_name["dukcapil-61.07"]["silence_seconds"] > 6e7


def test_every_answer_says_what_it_rests_on(client: TestClient) -> None:
    routes = ["/v1/coverage/61.01/children", "/v1/coverage/61.01/series", "/v1/rates/61.01", "/v1/freshness"]
    expected = get(client, "/v1/coverage/61.01")["data"]
    assert [get(client, each)["data"] for each in routes] == [expected] * 4
