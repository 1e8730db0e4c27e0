"""The documentation is true: every example request is asked, every example answer fits, and errors are problems."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from fastapi.testclient import TestClient

from api import models
from api.allowed import ALLOWED
from api.app import create_app
from projections.clickhouse import Database
from tests.test_api_world import OPTIONS, seed

Json = dict[str, Any]

DOCUMENT: Json = create_app(Database("127.0.0.1", 1), OPTIONS).openapi()
# A stream does not end; its own tests read it. Metrics are text.
NOT_JSON = {"/v1/rates/{code}/live", "/v1/stream", "/metrics"}
ASKED = [path for path, operations in DOCUMENT["paths"].items() if "get" in operations and path not in NOT_JSON]
V1 = [path for path in ASKED if path.startswith(("/v1", "/health"))]


@pytest.fixture(scope="module")
def client(database: Database) -> Iterator[TestClient]:
    seed(database)
    with TestClient(create_app(database, OPTIONS)) as each:
        yield each


def schema_of(path: str, status: str = "200") -> Json:
    content = DOCUMENT["paths"][path]["get"]["responses"][status]["content"]
    (each,) = content.values()
    return {**copy.deepcopy(each["schema"]), "components": DOCUMENT["components"]}


def examples_of(parameter: Json) -> list[Any]:
    found: list[Any] = parameter.get("examples") or parameter["schema"].get("examples") or []
    return found


def requests_of(path: str) -> Iterator[tuple[str, Json]]:
    """The path with its example, alone and with each example of each parameter, and with the first ones together."""
    parameters = DOCUMENT["paths"][path]["get"].get("parameters", [])
    filled = path
    for each in parameters:
        if each["in"] == "path":
            filled = filled.replace(f"{{{each['name']}}}", str(examples_of(each)[0]))
    queries = {each["name"]: examples_of(each) for each in parameters if each["in"] == "query"}
    yield filled, {}
    for name, values in queries.items():
        for value in values:
            yield filled, {name: value}
    yield filled, {name: values[0] for name, values in queries.items()}


@pytest.mark.parametrize("path", V1)
def test_every_parameter_has_an_example_and_a_description(path: str) -> None:
    for each in DOCUMENT["paths"][path]["get"].get("parameters", []):
        assert examples_of(each), each["name"]
        assert each.get("description") or each["schema"].get("description"), each["name"]
        assert each["name"] in ALLOWED


@pytest.mark.parametrize("path", V1)
def test_every_example_request_is_answered_as_documented(client: TestClient, path: str) -> None:
    for filled, query in requests_of(path):
        if path == "/health/ready":
            continue
        answer = client.get(filled, params=query)
        assert answer.status_code == 200, (filled, query, answer.text)
        jsonschema.validate(answer.json(), schema_of(path))


@pytest.mark.parametrize(
    "model",
    [each for each in vars(models).values() if isinstance(each, type) and issubclass(each, models.Model)],
    ids=lambda each: each.__name__,
)
def test_every_example_answer_fits_its_model(model: type[models.Model]) -> None:
    for example in model.model_json_schema().get("examples", []):
        built = model.model_validate(example)
        assert set(built.model_dump(mode="json", by_alias=True)) >= set(example)


@pytest.mark.parametrize("path", [each for each in ASKED if each.startswith("/v1")])
def test_every_answer_model_has_an_example(path: str) -> None:
    name = schema_of(path)["$ref"].rsplit("/", 1)[1]
    assert DOCUMENT["components"]["schemas"][name]["examples"]


def test_the_documented_figures_of_sambas_are_the_real_ones(client: TestClient) -> None:
    (example,) = models.CoverageAnswer.model_json_schema()["examples"]
    real = client.get("/v1/coverage/61.01", params={"as_of": "2024-06-30"}).json()
    assert {**example, "data": None} == {**real, "data": None}
    assert example["data"].keys() == real["data"].keys()


@pytest.mark.parametrize("path", [each for each in DOCUMENT["paths"] if each.startswith("/v1")])
def test_errors_are_documented_as_problems(path: str) -> None:
    (responses,) = (operation["responses"] for operation in DOCUMENT["paths"][path].values())
    assert {"422", "503"} <= set(responses)
    assert ("404" in responses) == ("{" in path)
    for status, response in responses.items():
        if status != "200":
            assert list(response["content"]) == ["application/problem+json"]


def test_a_problem_fits_its_schema(client: TestClient) -> None:
    schema = schema_of("/v1/coverage/{code}", "422")
    for path in ("/v1/coverage/99", "/v1/coverage/61?as_of=x", "/v1/coverage/6101014502990001", "/nowhere"):
        jsonschema.validate(client.get(path).json(), schema)


def test_the_document_leads_nowhere_wrong() -> None:
    text = str(DOCUMENT)
    assert "HTTPValidationError" not in text
    refs = {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}
    assert refs <= set(DOCUMENT["components"]["schemas"])
    # Two models of one name get the names of their modules, which nobody who reads the document knows.
    assert not [each for each in DOCUMENT["components"]["schemas"] if "__" in each]
