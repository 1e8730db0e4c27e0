"""All villages of a region in one ranking: the same figures as one by one, in parts that add up."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.parameters import Sort
from events import regions
from projections.clickhouse import Database
from tests.asking import Json, asked, why
from tests.test_api_world import OPTIONS, VILLAGES, denominator, happened, load, seed

DAY = "2024-06-30"
SAMBAS = "/v1/coverage/61.01/villages"
FIGURES = ("region", "basis", "numerator", "denominator", "coverage", "target", "attainment", "missing")


@pytest.fixture(scope="module", params=[OPTIONS.held_bytes, 0], ids=["from memory", "from the table"])
def client(database: Database, request: pytest.FixtureRequest) -> Iterator[TestClient]:
    seed(database)
    counts = ((VILLAGES[0], 40_000), (VILLAGES[1], 20_000), (VILLAGES[2], 10_000), ("61.01.08.2001", 700))
    load(database, [denominator(code, "recorded", "2024-01-01", value) for code, value in counts])
    with TestClient(create_app(database, replace(OPTIONS, held_bytes=request.param))) as each:
        yield each


def all_of(client: TestClient, path: str, limit: int, **query: str) -> list[Json]:
    """Every part, one after the other."""
    items: list[Json] = []
    for offset in itertools.count(0, limit):
        answer = asked(client, path, as_of=DAY, limit=limit, offset=offset, **query)
        items += answer["items"]
        if offset + limit >= answer["total"]:
            return items
    raise AssertionError


def codes(items: list[Json]) -> list[str]:
    return [each["region"]["code"] for each in items]


def test_every_village_is_there_once_whatever_the_parts(client: TestClient) -> None:
    whole = all_of(client, SAMBAS, 1000)
    assert sorted(codes(whole)) == [regions.format_code(each) for each in regions.villages_within(6101)]
    assert all_of(client, SAMBAS, 37) == whole


def test_each_is_what_it_says_by_itself(client: TestClient) -> None:
    for each in asked(client, SAMBAS, as_of=DAY, limit=6)["items"]:
        own = asked(client, f"/v1/coverage/{each['region']['code']}", as_of=DAY, basis="recorded")
        assert [each[name] for name in FIGURES] == [own[name] for name in FIGURES]


@pytest.mark.parametrize("sort", get_args(Sort))
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_district_s_ranking_is_that_of_its_children(client: TestClient, sort: str, order: str) -> None:
    listed = [
        asked(client, f"/v1/coverage/61.01.01/{name}", as_of=DAY, sort=sort, order=order, limit=1000)
        for name in ("children", "villages")
    ]
    assert listed[0] == listed[1]


def test_a_village_is_its_own(client: TestClient) -> None:
    answer = asked(client, f"/v1/coverage/{VILLAGES[0]}/villages", as_of=DAY)
    assert codes(answer["items"]) == [VILLAGES[0]]


def test_the_nation_s_add_up(client: TestClient) -> None:
    answer = asked(client, "/v1/coverage/0/villages", as_of=DAY, sort="numerator", limit=10)
    assert answer["total"] == 83_762
    assert (
        sum(each["numerator"]["value"] for each in answer["items"] if each["numerator"]) == answer["numerator"]["value"]
    )
    last = asked(client, "/v1/coverage/0/villages", as_of=DAY, sort="numerator", limit=1000, offset=83_000)
    assert len(last["items"]) == 762
    assert all(each["numerator"] is None for each in last["items"])


def test_the_ranking_follows_what_was_written(client: TestClient, database: Database) -> None:
    before = asked(client, "/v1/coverage/62/villages", sort="numerator", limit=1)["items"]
    assert before[0]["numerator"] is None
    load(database, [happened("Activated", 70_001, "62.71.01.1003", "2024-06-01T09:00:00")])
    after = asked(client, "/v1/coverage/62/villages", sort="numerator", limit=1)["items"]
    assert (after[0]["region"]["code"], after[0]["numerator"]["value"]) == ("62.71.01.1003", 1)


def test_of_a_future_day_nothing_is_told(client: TestClient) -> None:
    answer = asked(client, SAMBAS, as_of="2099-01-01", limit=2)
    assert why(answer)["numerator"] == "as_of is in the future"
    assert codes(answer["items"]) == [regions.format_code(each) for each in regions.villages_within(6101)[:2]]


def test_it_takes_a_key_where_villages_do(database: Database) -> None:
    for guarded in (replace(OPTIONS, public_level="district"), replace(OPTIONS, public_smallest=5)):
        with TestClient(create_app(database, guarded)) as client:
            assert client.get(SAMBAS).status_code == 401
