"""Questions that go straight to their endpoint are answered as FastAPI would have them answered, good and bad ones."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from api.app import create_app
from api.direct import DirectRoute
from projections import keys
from projections.clickhouse import Database
from tests.test_api_world import NOW, OPTIONS, seed

DIRECT = (
    "/v1/coverage/{code}",
    "/v1/coverage/{code}/children",
    "/v1/coverage/{code}/series",
    "/v1/rates/{code}",
)
CODES = ("0", "61", "61.01", "61.01.01.2001", "62.01", "99", "6101", "61.01%20", "", "6%EF%BC%91.01", "61.01/")
QUERIES = (
    "",
    "?as_of=2024-06-30",
    "?as_of=2024-06-30&basis=population&estimate=true",
    "?as_of=2024-06-30&as_of=2024-06-29",
    "?as_of=30-06-2024",
    "?as_of=",
    "?as_of=2999-01-01",
    "?asof=2024-06-30",
    "?basis=people",
    "?estimate=perhaps",
    "?estimate=1",
    "?known_at=2024-07-01",
    "?known_at=2024-07-01T10:00:00+07:00",
    "?limit=2&offset=1&sort=name",
    "?limit=0",
    "?limit=2.0",
    "?interval=month&from=2024-01-01&to=2024-06-30",
    "?from=2024-06-30&to=2024-01-01",
    "?at=2026-06-21T01:00:00Z",
    "?at=2026-06-21",
    "?&",
    "?=",
    "?%61s_of=2024-06-30",
    "?as_of=2024-06-30;basis=recorded",
    "?as_of=%ff",
)
YEAR = dt.timedelta(days=365)
CALLERS = ("nobody", "kalbar", "kalteng", "wrong", "two")


@pytest.fixture(scope="module")
def world(database: Database) -> Database:
    seed(database)
    return database


@pytest.fixture(scope="module")
def headers(world: Database) -> dict[str, dict[str, str]]:
    """What each caller sends."""
    kalbar, kalteng = (keys.add(world, f"office {each}", each, 3, NOW + YEAR, NOW) for each in (61, 62))
    return {
        "nobody": {},
        "kalbar": {"X-API-Key": kalbar},
        "kalteng": {"Authorization": f"Bearer {kalteng}"},
        "wrong": {"X-API-Key": "wrong"},
        "two": {"X-API-Key": kalbar, "Authorization": f"Bearer {kalteng}"},
    }


@pytest.fixture(scope="module", params=["regency", "village"])
def client(request: pytest.FixtureRequest, world: Database) -> Iterator[TestClient]:
    options = replace(OPTIONS, public_level=request.param, public_smallest=5 if request.param == "village" else 1)
    with TestClient(create_app(world, options)) as each:
        yield each


def answer(client: TestClient, method: str, path: str, headers: dict[str, str]) -> Any:
    found = client.request(method, path, headers=headers)
    return found.status_code, dict(found.headers), found.text


@pytest.mark.parametrize("template", DIRECT)
@pytest.mark.parametrize("name", CALLERS)
def test_it_makes_no_difference(
    client: TestClient, headers: dict[str, dict[str, str]], template: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [("GET", template.format(code=code) + query) for code, query in itertools.product(CODES, QUERIES[:2])]
    if name in ("nobody", "kalbar"):
        asked += [("GET", template.format(code=code) + query) for code, query in itertools.product(CODES[2:4], QUERIES)]
    asked += [(method, template.format(code="61.01") + "?limit=0") for method in ("POST", "OPTIONS")]
    direct = [answer(client, *each, headers[name]) for each in asked]
    monkeypatch.setattr(DirectRoute, "handle", APIRoute.handle)
    for each, got in zip(asked, direct, strict=True):
        assert got == answer(client, *each, headers[name]), each


@pytest.mark.parametrize("template", DIRECT)
def test_good_questions_go_straight_and_bad_ones_do_not(
    client: TestClient, headers: dict[str, dict[str, str]], template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    solved: list[str] = []
    handle: Callable[..., Any] = APIRoute.handle

    async def noted(self: APIRoute, *given: Any) -> None:
        solved.append(self.path)
        await handle(self, *given)

    monkeypatch.setattr(APIRoute, "handle", noted)
    assert answer(client, "GET", template.format(code="61.01"), headers["kalbar"])[0] == 200
    assert solved == []
    assert answer(client, "GET", template.format(code="61.01") + "?asof=1", headers["kalbar"])[0] == 422
    assert solved == [template]
