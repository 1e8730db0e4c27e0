"""The schema registry's read routes, in the form that Confluent's clients ask, served from the contracts.

Errors here are the registry's own shape, `{"error_code": 40403, "message": "..."}`, which those clients read.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from api.body import read_body
from events import compatibility
from events.catalogue import BY_SCHEMA_ID, EVENTS, EventType, Version, schema
from events.errors import InvalidSchema

router = APIRouter(tags=["schema registry"])

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
LONGEST_BODY = 1 << 20
SUBJECTS: dict[str, EventType] = {event.subject: event for event in EVENTS.values()}


class RegistryResponse(Response):
    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()


class RegistryError(Exception):
    """An error as the registry puts it. The first three digits of `code` are the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


NO_SUBJECT = (40401, "Subject not found.")
NO_VERSION = (40402, "Version not found.")
NO_SCHEMA = (40403, "Schema not found")
INVALID_SCHEMA = (42201, 'Invalid schema: the body must be {"schema": "..."} with an Avro schema in it')
INVALID_VERSION = (42202, "The specified version is not a valid version id: it must be a number from 1, or latest")
READ_ONLY = (42205, "The registry is read-only: schemas come from the contracts in the repository")


def install(app: FastAPI) -> None:
    """Add the routes, and answer their errors."""

    async def on_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, RegistryError)  # noqa: S101 -- registered for it
        return RegistryResponse({"error_code": error.code, "message": error.message}, error.code // 100)

    app.add_exception_handler(RegistryError, on_error)
    app.include_router(router)


@functools.cache
def text_of(schema_id: int) -> str:
    """A schema as the text that clients parse."""
    return json.dumps(schema(schema_id))


@router.get("/schemas/types", response_class=RegistryResponse, summary="Kinds of schema")
async def types() -> Response:
    return RegistryResponse(["AVRO"])


@router.get("/schemas/ids/{schema_id}", response_class=RegistryResponse, summary="A schema by its id")
async def by_id(schema_id: str) -> Response:
    """Ids stand in the first five bytes of every record, and never change."""
    return RegistryResponse({"schema": text_of(_id(schema_id))})


@router.get("/schemas/ids/{schema_id}/schema", response_class=RegistryResponse, summary="The schema alone")
async def text_by_id(schema_id: str) -> Response:
    return RegistryResponse(schema(_id(schema_id)))


@router.get("/schemas/ids/{schema_id}/subjects", response_class=RegistryResponse, summary="Subjects of a schema")
async def subjects_by_id(schema_id: str) -> Response:
    event, _ = BY_SCHEMA_ID[_id(schema_id)]
    return RegistryResponse([event.subject])


@router.get("/schemas/ids/{schema_id}/versions", response_class=RegistryResponse, summary="Versions of a schema")
async def versions_by_id(schema_id: str) -> Response:
    event, version = BY_SCHEMA_ID[_id(schema_id)]
    return RegistryResponse([{"subject": event.subject, "version": version.number}])


@router.get("/subjects", response_class=RegistryResponse, summary="All subjects, by topic and record")
async def subjects() -> Response:
    return RegistryResponse(sorted(SUBJECTS))


@router.get("/subjects/{subject}/versions", response_class=RegistryResponse, summary="Versions of a subject")
async def versions(subject: str) -> Response:
    return RegistryResponse([each.number for each in _subject(subject).versions])


@router.get("/subjects/{subject}/versions/{number}", response_class=RegistryResponse, summary="A version of a subject")
async def version(subject: str, number: str) -> Response:
    event = _subject(subject)
    return RegistryResponse(_described(event, _version(event, number)))


@router.get("/subjects/{subject}/versions/{number}/schema", response_class=RegistryResponse, summary="Its schema alone")
async def version_text(subject: str, number: str) -> Response:
    return RegistryResponse(schema(_version(_subject(subject), number).schema_id))


@router.post("/subjects/{subject}", response_class=RegistryResponse, summary="Which version a schema is")
async def look_up(subject: str, request: Request) -> Response:
    """Takes `{"schema": "..."}`; compares it as JSON, not as text."""
    event = _subject(subject)
    wanted = _schema_in(await _body(request))
    for each in event.versions:
        if schema(each.schema_id) == wanted:
            return RegistryResponse(_described(event, each))
    raise RegistryError(*NO_SCHEMA)


@router.post("/subjects/{subject}/versions", response_class=RegistryResponse, summary="Refused: read-only")
async def register(subject: str) -> Response:
    _subject(subject)
    raise RegistryError(*READ_ONLY)


@router.get("/config", response_class=RegistryResponse, summary="Which versions read which")
@router.get("/config/{subject}", response_class=RegistryResponse, summary="The same for a subject")
async def config(subject: str | None = None) -> Response:
    if subject is not None:
        _subject(subject)
    return RegistryResponse({"compatibilityLevel": compatibility.LEVEL})


@router.post("/compatibility/subjects/{subject}/versions", response_class=RegistryResponse, summary="Does a schema fit")
async def compatible_with_all(subject: str, request: Request, verbose: bool = False) -> Response:
    """Whether a schema reads what every version wrote; with `verbose`, which field does not and why."""
    event = _subject(subject)
    return _verdict(await _body(request), event.versions, verbose)


@router.post(
    "/compatibility/subjects/{subject}/versions/{number}",
    response_class=RegistryResponse,
    summary="Does a schema fit one version",
)
async def compatible_with_one(subject: str, number: str, request: Request, verbose: bool = False) -> Response:
    version = _version(_subject(subject), number)
    return _verdict(await _body(request), (version,), verbose)


@router.get(
    "/subjects/{subject}/versions/{number}/referencedby", response_class=RegistryResponse, summary="Always nothing"
)
async def referenced_by(subject: str, number: str) -> Response:
    """No schema here refers to another."""
    _version(_subject(subject), number)
    return RegistryResponse([])


@router.get("/contexts", response_class=RegistryResponse, summary="The default one")
async def contexts() -> Response:
    return RegistryResponse(["."])


@router.get("/mode", response_class=RegistryResponse, summary="Read-only")
@router.get("/mode/{subject}", response_class=RegistryResponse, summary="The same for a subject")
async def mode(subject: str | None = None) -> Response:
    if subject is not None:
        _subject(subject)
    return RegistryResponse({"mode": "READONLY"})


def _id(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if number not in BY_SCHEMA_ID:
        raise RegistryError(*NO_SCHEMA)
    return number


def _subject(name: str) -> EventType:
    if name not in SUBJECTS:
        raise RegistryError(*NO_SUBJECT)
    return SUBJECTS[name]


def _version(event: EventType, text: str) -> Version:
    if text in ("latest", "-1"):
        return event.newest
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise RegistryError(*INVALID_VERSION)
    for each in event.versions:
        if each.number == int(text):
            return each
    raise RegistryError(*NO_VERSION)


def _verdict(body: bytes, versions: Iterable[Version], verbose: bool) -> Response:
    given = _schema_in(body)
    try:
        found = [
            f"version {each.number}: {place}"
            for each in versions
            for place in compatibility.breaks(given, schema(each.schema_id))
        ]
    except (InvalidSchema, RecursionError):
        raise RegistryError(*INVALID_SCHEMA) from None
    told = {"messages": found} if verbose else {}
    return RegistryResponse({"is_compatible": not found, **told})


def _described(event: EventType, version: Version) -> dict[str, Any]:
    return {
        "subject": event.subject,
        "id": version.schema_id,
        "version": version.number,
        "schemaType": "AVRO",
        "schema": text_of(version.schema_id),
    }


async def _body(request: Request) -> bytes:
    body = await read_body(request, LONGEST_BODY)
    if body is None:
        raise RegistryError(*INVALID_SCHEMA)
    return body


def _schema_in(body: bytes) -> Any:
    try:
        return json.loads(json.loads(body)["schema"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise RegistryError(*INVALID_SCHEMA) from None
