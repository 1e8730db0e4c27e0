"""The OpenAPI document: every error is a problem, and says so."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from api.models import ProblemAnswer
from api.problems import MEDIA_TYPE

DESCRIPTION = (
    "How far Indonesia's Digital Population Identity (IKD) has reached, by region. Every figure names what it was"
    " divided by and what it rests on; one that can't be given honestly is null and says why. `0` is the nation."
    " Figures of small regions need a key whose scope holds them."
)
PROBLEMS = {
    "404": "No region has this code.",
    "422": "A parameter can't be; names it and what it may be.",
    "503": "A part is away; names it. Retry later.",
}
KEYED = {
    "401": "A key that does not hold, or none where one is needed.",
    "403": "The key's scope does not hold this region; says which it has.",
}
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, as `cakupan subscriber add` gives it."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
}
_REF = "#/components/schemas/"


def document(app: FastAPI) -> None:
    """Let the app's document name problems where FastAPI would name its own errors."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_problems(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _with_problems(whole: dict[str, Any]) -> dict[str, Any]:
    schemas = whole["components"]["schemas"]
    problem = ProblemAnswer.model_json_schema(ref_template=_REF + "{model}")
    schemas |= problem.pop("$defs") | {"ProblemAnswer": problem}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    whole["components"]["securitySchemes"] = SCHEMES
    for path, operations in whole["paths"].items():
        for operation in operations.values():
            keyed = "security" in operation
            if keyed:
                operation["security"] = [{}, *({name: []} for name in SCHEMES)]
            operation["responses"].pop("422", None)
            operation["responses"] |= _problems_of(path, keyed)
    return whole


def _problems_of(path: str, keyed: bool) -> dict[str, Any]:
    if not path.startswith("/v1"):
        return {}
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{_REF}ProblemAnswer"}}}
    wanted = PROBLEMS if "{code}" in path else {k: v for k, v in PROBLEMS.items() if k != "404"}
    if keyed:
        wanted = KEYED | wanted
    return {status: {"description": text, "content": content} for status, text in wanted.items()}
