"""Who may see what of the API: every route with a region, every level, every kind of caller."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import pytest
from fastapi.testclient import TestClient

from api.access import caller
from api.app import create_app
from api.options import ApiOptions
from events import regions
from events.errors import AccessRefused
from events.regions import LEVELS, Level
from projections import keys
from projections.clickhouse import Database
from tests.conftest import empty, free_port
from tests.test_api_world import NOW, OPTIONS, load, report, served

Json = dict[str, Any]
YEAR = dt.timedelta(days=365)
ROUTES = (
    "/v1/coverage/{}",
    "/v1/coverage/{}/children",
    "/v1/coverage/{}/series",
    "/v1/coverage/{}/villages",
    "/v1/coverage/{}/restatement",
    "/v1/rates/{}",
    "/v1/rates/{}/live",
    "/v1/integrity/{}",
    "/v1/live-comparison/{}",
    "/v1/funnel/{}",
    "/v1/pace/{}",
    "/v1/served/{}",
    "/v1/silence/{}",
    "/v1/claims/{}",
    "/v1/barriers/{}",
    "/v1/next-visits/{}",
    "/v1/outreach/{}",
    "/v1/alerts/{}",
)
OPEN = ("/v1/regions/61.01.01", "/v1/regions/61.01/children", "/v1/freshness", "/v1/integrity", "/v1/dead-letters")
OF_VILLAGES = ("/v1/next-visits/{}", "/v1/coverage/{}/villages")  # show villages, whatever they are asked about
BELOW = ("/children", "/live-comparison/{}", "/served/{}")  # show the level below
CODES = ("0", "61", "61.01", "61.01.01", "61.01.01.2001", "62", "62.01", "62.01.01", "62.01.01.1011")
SCOPES: dict[str, int] = {"nation": 0, "kalbar": 61, "kalteng": 62, "sambas": 6101, "district": 610101}


@dataclass
class Api:
    """The API over the shared database, one for each public level, with a clock that can be moved."""

    database: Database
    secrets: dict[str, str]
    options: ApiOptions
    clients: dict[str, TestClient] = field(default_factory=dict)
    now: dt.datetime = NOW

    def client(self, level: Level = "regency") -> TestClient:
        if level not in self.clients:
            app = create_app(self.database, replace(self.options, public_level=level, clock=lambda: self.now))
            self.clients[level] = TestClient(app)
            self.clients[level].__enter__()
        return self.clients[level]

    def status(self, path: str, name: str = "", level: Level = "regency") -> int:
        headers = {"X-API-Key": self.secrets[name]} if name else {}
        return self.client(level).get(path, headers=headers).status_code


@pytest.fixture(scope="module")
def api(database: Database) -> Iterator[Api]:
    empty(database)
    load(database, [report("dukcapil", "0")])
    made = {name: keys.add(database, name, region, 3, NOW + YEAR, NOW) for name, region in SCOPES.items()}
    each = Api(database, made, OPTIONS)
    yield each
    for client in each.clients.values():
        client.__exit__(None, None, None)


def needed(route: str, code: str) -> Level:
    """The level that an answer shows."""
    if route in OF_VILLAGES:
        return "village"
    at = LEVELS.index(regions.region(regions.parse_code(code)).level)
    return LEVELS[min(at + route.endswith(BELOW), len(LEVELS) - 1)]


def holds(scope: int, code: str) -> bool:
    return scope in regions.ancestors_of(regions.parse_code(code))


@pytest.mark.parametrize("level", get_args(Level))
@pytest.mark.parametrize("name", ["", *SCOPES])
def test_every_caller_sees_what_is_public_and_its_scope(api: Api, name: str, level: Level) -> None:
    """Asked with a parameter that no route knows: whoever may see the region is told that, and nothing is computed."""
    for route, code in itertools.product(ROUTES, CODES):
        public = LEVELS.index(needed(route, code)) <= LEVELS.index(level)
        refused = 403 if name else 401
        allowed = public or (bool(name) and holds(SCOPES[name], code))
        path = f"{route.format(code)}?end=now"
        assert api.status(path, name, level) == (422 if allowed else refused), (route, code)


@pytest.mark.parametrize("route", [each for each in ROUTES if not each.endswith("/live")])
def test_whoever_may_see_a_region_is_answered(api: Api, route: str) -> None:
    """And who may not is refused without such a parameter too."""
    for name, region in SCOPES.items():
        assert api.status(route.format(regions.format_code(region)), name, "nation") == 200
    assert api.status(route.format("62.01"), "kalbar", "nation") == 403
    assert api.status(route.format("62.01"), "", "nation") == 401


def test_what_is_not_about_a_region_needs_no_key(api: Api) -> None:
    assert {path: api.status(path, "", "nation") for path in OPEN} == dict.fromkeys(OPEN, 200)
    assert {path: api.status(path, "kalbar", "nation") for path in OPEN} == dict.fromkeys(OPEN, 200)


def test_every_route_about_a_region_is_named_here(api: Api) -> None:
    document = api.client().get("/openapi.json").json()
    about = {path.replace("{code}", "{}") for path in document["paths"] if "{code}" in path}
    assert about == {*ROUTES, "/v1/regions/{}", "/v1/regions/{}/children"}


def test_the_document_says_how_and_where(api: Api) -> None:
    document = api.client().get("/openapi.json").json()
    assert document["components"]["securitySchemes"].keys() == {"bearer", "apiKey"}
    for route in ROUTES:
        operation = document["paths"][route.replace("{}", "{code}")]["get"]
        assert operation["security"] == [{}, {"bearer": []}, {"apiKey": []}]
        assert {"401", "403"} <= operation["responses"].keys()
    assert "security" not in document["paths"]["/v1/regions/{code}"]["get"]


# Refusals

VILLAGE = "/v1/coverage/61.01.01.2001"


def refusal(api: Api, path: str, status: int, **headers: str) -> Json:
    answer = api.client().get(path, headers={key.replace("_", "-"): value for key, value in headers.items()})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body: Json = answer.json()
    return body


def test_without_a_key_it_says_what_is_open(api: Api) -> None:
    body = refusal(api, VILLAGE, 401)
    assert body["type"].endswith(":no-key")
    assert "down to regencies" in body["detail"]
    assert api.client().get(VILLAGE).headers["www-authenticate"].startswith("Bearer")


def test_outside_its_scope_it_says_which_scope_the_key_has(api: Api) -> None:
    body = refusal(api, "/v1/coverage/62.01.01", 403, x_api_key=api.secrets["kalbar"])
    assert body["type"].endswith(":scope")
    assert "61, Kalimantan Barat" in body["detail"].replace("KALIMANTAN BARAT", "Kalimantan Barat")


def test_a_key_that_does_not_hold_is_refused_alike_whatever_it_was(api: Api) -> None:
    database = api.database
    expired = keys.add(database, "expired", 61, 3, NOW - dt.timedelta(milliseconds=1), NOW - YEAR)
    removed = keys.add(database, "removed", 61, 3, NOW + YEAR, NOW)
    keys.remove(database, "removed")
    before = keys.add(database, "rotated", 61, 3, NOW + YEAR, NOW)
    after = keys.rotate(database, "rotated", NOW + YEAR)
    good = api.secrets["kalbar"]
    bad = [
        {"X-API-Key": "never one"},
        {"X-API-Key": ""},
        {"X-API-Key": good.upper()},
        {"X-API-Key": keys.digest(good)},
        {"X-API-Key": expired},
        {"X-API-Key": removed},
        {"X-API-Key": before},
        {"Authorization": f"Bearer {before}"},
        {"Authorization": f"Basic {good}"},
        {"Authorization": good},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {after}", "X-API-Key": good},
    ]
    bodies = []
    for path in ("/v1/coverage/61", VILLAGE):
        for headers in bad:
            answer = api.client().get(path, headers=headers)
            assert answer.status_code == 401, headers
            assert answer.headers["www-authenticate"].startswith("Bearer")
            bodies.append(answer.text)
            for secret in headers.values():
                assert len(secret) < 10 or secret not in answer.text
    assert len(set(bodies)) == 1
    for headers in ({"X-API-Key": after}, {"Authorization": f"bearer {after}"}, {"Authorization": f"Bearer  {after} "}):
        assert api.client().get(VILLAGE, headers=headers).status_code == 200


def test_a_key_in_the_address_is_no_key(api: Api) -> None:
    answer = api.client().get(VILLAGE, params={"api_key": api.secrets["kalbar"]})
    assert answer.status_code in (401, 422)
    assert api.secrets["kalbar"] not in answer.text


def test_refusals_are_counted_by_reason(api: Api) -> None:
    def counts() -> dict[str, float]:
        samples = api.client().app.state.context.metrics.refused.collect()[0].samples  # type: ignore[attr-defined]
        return {each.labels["reason"]: each.value for each in samples if each.name.endswith("_total")}

    before = counts()
    refusal(api, VILLAGE, 401)
    refusal(api, VILLAGE, 401, x_api_key="wrong")
    refusal(api, VILLAGE, 403, x_api_key=api.secrets["kalteng"])
    assert {reason: count - before.get(reason, 0) for reason, count in counts().items()} == {
        "no_key": 1,
        "bad_key": 1,
        "scope": 1,
    }
    assert 'cakupan_api_refused_total{reason="scope"}' in api.client().get("/metrics").text


def test_answers_to_a_key_are_its_own(api: Api) -> None:
    client = api.client()
    mine = client.get(VILLAGE, headers={"X-API-Key": api.secrets["kalbar"]})
    assert mine.headers["cache-control"] == "private"
    for answer in (mine, client.get("/v1/coverage/61"), client.get(VILLAGE), client.get("/openapi.json")):
        assert answer.headers["vary"] == "Authorization, X-API-Key"
    assert "cache-control" not in client.get("/v1/coverage/61").headers
    assert client.get(VILLAGE, headers={"X-API-Key": "wrong"}).headers["cache-control"] == "private"


# Keys


def test_a_new_key_holds_at_once_and_a_removed_one_not_for_long(api: Api) -> None:
    app = create_app(api.database, replace(api.options, public_level="nation", key_seconds=0))
    with TestClient(app) as client:
        wrong = client.get("/v1/coverage/61", headers={"X-API-Key": "wrong"})
        secret = keys.add(api.database, "new", 61, 3, NOW + YEAR, NOW)
        found = client.get("/v1/coverage/61", headers={"X-API-Key": secret})
        keys.remove(api.database, "new")
        gone = client.get("/v1/coverage/61", headers={"X-API-Key": secret})
    assert [each.status_code for each in (wrong, found, gone)] == [401, 200, 401]


def test_a_key_ends_when_it_expires(api: Api) -> None:
    ends = NOW + dt.timedelta(hours=1)
    secret = keys.add(api.database, "short", 61, 3, ends, NOW)
    headers = {"X-API-Key": secret}
    assert api.client().get(VILLAGE, headers=headers).status_code == 200
    api.now = ends - dt.timedelta(milliseconds=1)
    try:
        assert api.client().get(VILLAGE, headers=headers).status_code == 200
        api.now = ends
        assert api.client().get(VILLAGE, headers=headers).status_code == 401
    finally:
        api.now = NOW


def test_a_stream_ends_with_its_key(api: Api) -> None:
    """And what needs no key goes on."""
    secret = keys.add(api.database, "listening", 61, 3, NOW + YEAR, NOW)
    options = replace(OPTIONS, public_level="regency", key_seconds=0, heartbeat_seconds=0.1)
    headers = {"X-API-Key": secret}
    with served(api.database, options) as client, client.stream("GET", "/v1/rates/61.01/live") as open_to_all:
        others = open_to_all.iter_lines()
        with client.stream("GET", "/v1/rates/61.01.01/live", headers=headers) as stream:
            lines = stream.iter_lines()
            seen = [next(line for line in lines if line.startswith("event: "))]
            next(line for line in lines if line.startswith(":"))  # it held when it was looked at
            keys.remove(api.database, "listening")
            rest = list(lines)
        assert seen == ["event: rates"]
        assert "event: problem" in rest
        assert any("holds no more" in line for line in rest)
        assert secret not in str(rest)
        for _ in range(3):
            next(line for line in others if line.startswith(":"))


def test_keys_are_read_once_for_many_requests(api: Api) -> None:
    read: list[int] = []
    lock = threading.Lock()

    class Counting(Database):
        def rows(self, sql: str, params: Any = None) -> list[dict[str, Any]]:
            if "api_key" in sql:
                with lock:
                    read.append(1)
            return super().rows(sql, params)

    port = int(api.database.address.rpartition(":")[2])
    app = create_app(Counting("127.0.0.1", port), replace(OPTIONS, public_level="nation", key_seconds=3600))
    with TestClient(app) as client:
        for name in itertools.islice(itertools.cycle(("nation", "kalbar", "sambas")), 30):
            assert client.get("/v1/coverage/61.01", headers={"X-API-Key": api.secrets[name]}).status_code == 200
        assert len(read) == 1
        for _ in range(3):
            assert client.get("/v1/coverage/61.01", headers={"X-API-Key": "wrong"}).status_code == 401
        assert len(read) == 4
        assert client.get("/v1/coverage/0").status_code == 200  # without a key, none are looked for
        assert len(read) == 4


def test_without_clickhouse_a_key_is_not_judged() -> None:
    with TestClient(create_app(Database("127.0.0.1", free_port()), replace(OPTIONS, public_level="nation"))) as client:
        answer = client.get("/v1/coverage/61", headers={"X-API-Key": "whatever"})
    assert answer.status_code == 503
    assert answer.json()["away"][0]["name"] == "clickhouse"


def test_what_is_kept_is_no_secret(api: Api) -> None:
    secret = keys.add(api.database, "kept", 6101, 7, NOW + YEAR, NOW)
    assert len(secret) > 43
    rows = api.database.rows("SELECT * FROM api_key")
    assert secret not in str(rows)
    assert keys.digest(secret) in str(rows)
    key = keys.find(api.database, secret, NOW)
    assert key is not None
    assert (key.name, key.region, key.connections, key.expires_at) == ("kept", 6101, 7, NOW + YEAR)
    assert keys.find(api.database, secret, NOW + YEAR) is None


def test_names_are_taken_once_and_free_again(api: Api) -> None:
    first = keys.add(api.database, "once", 61, 3, NOW + YEAR, NOW)
    with pytest.raises(AccessRefused, match="once is taken"):
        keys.add(api.database, "once", 62, 3, NOW + YEAR, NOW)
    keys.remove(api.database, "once")
    with pytest.raises(AccessRefused, match=r"there are: .*kalbar"):
        keys.rotate(api.database, "once", NOW + YEAR)
    second = keys.add(api.database, "once", 62, 3, NOW + YEAR, NOW)
    api.database.run("OPTIMIZE TABLE api_key FINAL")
    assert keys.find(api.database, first, NOW) is None
    found = keys.find(api.database, second, NOW)
    assert found is not None
    assert found.region == 62
    assert "once" in {each.name for each in keys.list_(api.database)}


def test_a_lent_key_is_taken_back(api: Api) -> None:
    with keys.lent(api.database, "cakupan-test", dt.timedelta(hours=1)) as secret:
        found = keys.find(api.database, secret, dt.datetime.now(dt.UTC))
        assert found is not None
        assert found.region == 0
    assert keys.find(api.database, secret, dt.datetime.now(dt.UTC)) is None


def test_routes_take_the_caller_as_a_dependency() -> None:
    """Other routes build on it: its name stays."""
    assert callable(caller)
