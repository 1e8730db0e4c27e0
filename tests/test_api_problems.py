"""What the API refuses, and how: problem+json everywhere, the parameter named, nothing repeated."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.models import ProblemAnswer
from api.options import ApiOptions
from projections.clickhouse import Database
from projections.errors import QueryFailed, Unavailable
from tests.conftest import free_port
from tests.test_api_world import OPTIONS, seed, served

Json = dict[str, Any]
NIKS = ["6101014502990001", "6101.0145.0299.0001", "610101-450299-0001", "6101 0145 0299 0001", "99610101450299000177"]


@pytest.fixture(scope="module")
def client(database: Database) -> Iterator[TestClient]:
    seed(database)
    with TestClient(create_app(database, OPTIONS)) as each:
        yield each


def refused(answer: Any, status: int) -> Json:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: Json = answer.json()
    assert ProblemAnswer.model_validate(body).status == status
    assert "Traceback" not in answer.text
    return body


@pytest.mark.parametrize(
    "code", ["99", "61.99", "6101", "61.1", "61.01.01.001", "sambas", "-1", "0.0", "61.", "٦١", "%00"]
)
@pytest.mark.parametrize(
    "route",
    [
        "/v1/regions/{}",
        "/v1/regions/{}/children",
        "/v1/coverage/{}",
        "/v1/coverage/{}/children",
        "/v1/coverage/{}/series",
        "/v1/coverage/{}/villages",
        "/v1/outreach/{}",
        "/v1/rates/{}",
        "/v1/rates/{}/live",
        "/v1/live-comparison/{}",
        "/v1/funnel/{}",
        "/v1/barriers/{}",
        "/v1/next-visits/{}",
        "/v1/alerts/{}",
    ],
)
def test_an_unknown_region_is_404_and_names_the_parameter(client: TestClient, route: str, code: str) -> None:
    body = refused(client.get(route.format(code)), 404)
    (named,) = body["parameters"]
    assert (named["name"], named["in"]) == ("code", "path")
    assert "61.01.01.2001" in named["allowed"]


BAD = [
    ("/v1/coverage/61.01", "as_of", "30-06-2024", "2024-06-30"),
    ("/v1/coverage/61.01", "as_of", "2024-06-31", "2024-06-30"),
    ("/v1/coverage/61.01", "as_of", "20240630", "2024-06-30"),
    ("/v1/coverage/61.01", "as_of", "86400", "2024-06-30"),
    ("/v1/coverage/61.01", "as_of", "2024-06-30T00:00:00", "2024-06-30"),
    ("/v1/coverage/61.01", "as_of", "0000-01-01", "2024-06-30"),
    ("/v1/coverage/61.01", "as_of", "", "2024-06-30"),
    ("/v1/coverage/61.01", "as_of", "٢٠٢٤-٠٦-٣٠", "2024-06-30"),
    ("/v1/coverage/61.01", "basis", "perekaman", "recorded, wajib_ktp, holders or population"),
    ("/v1/coverage/61.01", "basis", "RECORDED", "recorded, wajib_ktp, holders or population"),
    ("/v1/coverage/61.01", "estimate", "maybe", "true or false"),
    ("/v1/coverage/61.01/children", "sort", "level", "coverage, numerator, missing or name"),
    ("/v1/coverage/61.01/children", "order", "down", "asc or desc"),
    ("/v1/coverage/61.01/children", "limit", "0", "from 1 to 1000"),
    ("/v1/coverage/61.01/children", "limit", "1001", "from 1 to 1000"),
    ("/v1/coverage/61.01/children", "limit", "many", "from 1 to 1000"),
    ("/v1/coverage/61.01/children", "offset", "-1", "from 0 to"),
    ("/v1/coverage/61.01/series", "interval", "year", "day, week or month"),
    ("/v1/coverage/61.01/series", "from", "yesterday", "2024-01-01"),
    ("/v1/coverage/61.01/series", "to", "2024-13-01", "2024-06-30"),
    ("/v1/rates/61.01", "at", "2024-06-30", "2024-06-30T10:00:00+07:00"),
    ("/v1/rates/61.01", "at", "2024-06-30T10:00:00", "2024-06-30T10:00:00+07:00"),
    ("/v1/rates/61.01", "at", "1719716400", "2024-06-30T10:00:00+07:00"),
    ("/v1/rates/61.01", "at", "0001-01-01T00:00:00+14:00", "2024-06-30T10:00:00+07:00"),
    ("/v1/regions/61/children", "limit", "1e99", "from 1 to 1000"),
    ("/v1/alerts/61.01", "kind", "fire", "target_at_risk, stall, silence, barrier_surge or integrity_difference"),
    ("/v1/alerts/61.01", "state", "closed", "open, raised, acknowledged, cleared or all"),
    ("/v1/barriers/61.01", "by", "sex", "reason, step, region, channel, age_band or device"),
]


@pytest.mark.parametrize(("path", "name", "value", "allowed"), BAD)
def test_a_bad_parameter_is_422_and_names_it(
    client: TestClient, path: str, name: str, value: str, allowed: str
) -> None:
    answer = client.get(path, params={name: value})
    body = refused(answer, 422)
    (named,) = body["parameters"]
    assert (named["name"], named["in"]) == (name, "query")
    assert allowed in named["allowed"]
    assert allowed in body["detail"]
    assert not value or value in named["allowed"] or value not in answer.text


def test_every_bad_parameter_is_named(client: TestClient) -> None:
    body = refused(client.get("/v1/coverage/61.01?as_of=x&basis=y&estimate=z"), 422)
    assert [each["name"] for each in body["parameters"]] == ["as_of", "basis", "estimate"]


@pytest.mark.parametrize("path", ["/v1/coverage/61.01", "/v1/regions/61", "/v1/freshness", "/v1/rates/61/live"])
def test_a_misspelt_parameter_is_refused_and_not_repeated(client: TestClient, path: str) -> None:
    answer = client.get(path, params={"budi_santoso": "2024-06-30"})
    body = refused(answer, 422)
    assert "budi_santoso" not in answer.text
    assert "it takes" in body["detail"]
    if path == "/v1/coverage/61.01":
        assert "as_of, basis, estimate" in body["detail"]
    if path == "/v1/freshness":
        assert body["detail"].endswith("it takes none")


def test_a_range_that_ends_before_it_begins_is_refused(client: TestClient) -> None:
    body = refused(client.get("/v1/coverage/61.01/series?from=2024-02-01&to=2024-01-01"), 422)
    assert body["parameters"][0]["name"] == "from"


def test_too_long_a_series_is_refused(client: TestClient) -> None:
    body = refused(client.get("/v1/coverage/61.01/series?from=1900-01-01&to=2024-01-01"), 422)
    assert "4000 points" in body["detail"]
    assert client.get("/v1/coverage/61.01/series?from=1900-01-01&to=2024-01-01&interval=month").status_code == 200


@pytest.mark.parametrize("path", ["/v1", "/v1/coverage", "/v1/coverage/", "/v1/coverage/61/", "/v2/x", "/schemas/x"])
def test_an_unknown_route_is_a_problem(client: TestClient, path: str) -> None:
    refused(client.get(path), 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_another_method_is_a_problem(client: TestClient, method: str) -> None:
    answer = client.request(method, "/v1/coverage/61.01")
    assert "GET" in refused(answer, 405)["detail"]
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("nik", NIKS)
@pytest.mark.parametrize(
    "path",
    [
        "/v1/coverage/{}",
        "/v1/coverage/61.01?as_of={}",
        "/v1/coverage/61.01?{}=1",
        "/v1/regions/61?x=a{}b",
        "/{}",
        "/schemas/ids/{}",
        "/subjects/{}/versions",
        "/health/live?{}",
    ],
)
def test_what_looks_like_a_nik_is_refused_and_nowhere_repeated(
    client: TestClient, path: str, nik: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="cakupan"):
        answer = client.get(path.format(nik))
    body = refused(answer, 422)
    assert "holds 16 digits" in body["detail"]
    assert nik not in answer.text
    assert nik not in str(answer.headers)
    assert not [each for each in caplog.records if each.name.startswith("cakupan") and nik in each.getMessage()]


@pytest.mark.parametrize(
    "query",
    [
        "as_of=%36%31%30%31%30%31%34%35%30%32%39%39%30%30%30%31",
        "as_of=%25361010145029900%2531",
        "as_of=6101+0145+0299+0001",
        "as_of=%25252525252525",
    ],
)
def test_an_encoded_nik_is_found(client: TestClient, query: str) -> None:
    assert refused(client.get(f"/v1/coverage/61.01?{query}"), 422)["type"].endswith("personal-data")


def test_a_nik_is_in_no_log_of_the_server(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """With the server's own access log on, which is off by default."""
    with caplog.at_level(logging.DEBUG), served(database, access_log=True) as client:
        for logger in ("uvicorn", "uvicorn.access", "uvicorn.error"):
            logging.getLogger(logger).addHandler(caplog.handler)
        for nik in NIKS:
            refused(client.get(f"/v1/coverage/{nik}?as_of={nik}"), 422)
        assert client.get("/v1/regions/61").status_code == 200
    mine = [each.getMessage() for each in caplog.records if each.name.startswith(("uvicorn", "cakupan", "fastapi"))]
    assert any("/v1/regions/61" in each for each in mine)
    assert any("/(refused)" in each or "/%28refused%29" in each for each in mine)
    assert not [each for each in mine if any(nik in each for nik in NIKS) or "6101014502990001" in each]


def test_no_telemetry_sees_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI's spans would hold what is refused; no environment turns them on."""
    seen: list[Any] = []
    tracer = type("Tracer", (), {"start_as_current_span": seen.append, "start_span": seen.append})()
    monkeypatch.setattr("opentelemetry.trace.get_tracer", lambda *_, **__: tracer)
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: seen.append("asked"))
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with TestClient(create_app(Database("127.0.0.1", 1), OPTIONS)) as client:
        refused(client.get("/v1/coverage/6101014502990001"), 422)
        assert client.get("/health/live").status_code == 200
    assert seen == []


def test_clickhouse_away_is_503_and_names_the_address() -> None:
    port = free_port()
    options = ApiOptions(clickhouse_setting="CAKUPAN_CLICKHOUSE_HOST and CAKUPAN_CLICKHOUSE_PORT")
    with TestClient(create_app(Database("127.0.0.1", port), options)) as client:
        for path in ("coverage/61.01", "coverage/61/children", "coverage/61/series", "rates/61", "rates/61/live"):
            answer = client.get(f"/v1/{path}")
            body = refused(answer, 503)
            assert f"127.0.0.1:{port}" in body["detail"]
            assert "CAKUPAN_CLICKHOUSE_PORT" in body["detail"]
            assert int(answer.headers["retry-after"]) > 0
        refused(client.get("/v1/freshness"), 503)
        assert client.get("/health/live").json() == {"status": "live"}
        assert client.get("/v1/regions/61").status_code == 200
        ready = refused(client.get("/health/ready"), 503)
        assert [each["name"] for each in ready["away"]] == ["clickhouse", "worker"]
        assert f"127.0.0.1:{port}" in ready["away"][0]["detail"]
        assert "cakupan_api_clickhouse_up 0.0" in client.get("/metrics").text


class Broken(Database):
    """A database that raises what it is told."""

    def __init__(self, error: Exception) -> None:
        super().__init__("127.0.0.1", 1)
        self.error = error

    def rows(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
        raise self.error

    def columns(self, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (QueryFailed("ClickHouse says: secret words", 60), 500, "query-refused"),
        (Unavailable("ClickHouse at 127.0.0.1:1 says: too busy"), 503, "away"),
        (RuntimeError("secret words"), 500, "internal"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/coverage/61.01", "/v1/rates/61", "/v1/rates/61/live"])
def test_our_own_errors_are_problems_without_details(error: Exception, status: int, kind: str, path: str) -> None:
    client = TestClient(create_app(Broken(error)), raise_server_exceptions=False)
    answer = client.get(path)
    assert refused(answer, status)["type"] == f"urn:cakupan:problem:{kind}"
    assert "secret" not in answer.text


def test_a_failed_request_is_counted() -> None:
    app = create_app(Broken(RuntimeError()))
    client = TestClient(app, raise_server_exceptions=False)
    client.get("/v1/coverage/61.01")
    client.get("/v1/coverage/6101014502990001")
    counted = {
        tuple(sample.labels.values()): sample.value
        for metric in app.state.context.metrics.requests.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    assert counted == {("GET", "/v1/coverage/{code}", "500"): 1.0, ("GET", "(refused)", "422"): 1.0}
