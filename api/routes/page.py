"""The operations room's page at `/`, and its parts below `/page/`: files of this package, nothing made at run time.

But for Parquet, which is made here of what the page shows."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api import parquet
from api.body import read_body
from api.problems import Problem
from events import regions
from events.regions import LEVELS

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent.parent / "page"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
# Nothing runs and nothing is fetched but what this server has. Styles are set by script, never as attributes.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # kept, and asked each time whether it is still the same
    "Vary": "Accept-Encoding",
}
MOST_BYTES = 64 << 20  # of rows: the villages of the nation, twice
NAMES_DOWN_TO = LEVELS.index("district")


@dataclass(frozen=True)
class Part:
    """A file as it is sent."""

    media_type: str
    body: bytes
    packed: bytes
    etag: str

    @classmethod
    def of(cls, media_type: str, body: bytes) -> Part:
        packed = gzip.compress(body, mtime=0)
        return cls(media_type, body, packed, hashlib.sha256(body).hexdigest()[:32])


@functools.cache
def parts() -> dict[str, Part]:
    """Every part by its path below `/page/`; read once."""
    return {
        path.relative_to(FOLDER).as_posix(): Part.of(MEDIA_TYPES[path.suffix], path.read_bytes())
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in MEDIA_TYPES
    }


@functools.cache
def names() -> Part:
    """For the search box: `[code, name, name of the region above]` of all regions down to districts, by code."""
    table = regions.by_number()
    rows = [
        [each.code, each.name, "" if each.parent is None else table[each.parent].name]
        for each in sorted(table.values(), key=lambda region: region.number)
        if LEVELS.index(each.level) <= NAMES_DOWN_TO
    ]
    return Part.of(MEDIA_TYPES[".json"], json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode())


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """The page. What it shows stands in the query, which its script reads."""
    return _respond(request, parts()["index.html"])


@router.api_route("/page/regions.json", methods=["GET", "HEAD"])
def region_names(request: Request) -> Response:
    return _respond(request, names())


@router.post("/page/parquet")
async def as_parquet(request: Request) -> Response:
    """What a tile shows, as the page sends it (a flat JSON object in each line), as a file that a browser can't make.

    Raises Problem.
    """
    lines = await read_body(request, MOST_BYTES)
    if lines is None:
        raise Problem(413, "too-large", f"at most {MOST_BYTES} bytes of rows are taken at once")
    try:
        made = await run_in_threadpool(parquet.of_lines, lines)
    except parquet.NoRows:
        raise Problem(422, "bad-rows", "rows are lines, each a JSON object whose values are no objects") from None
    return Response(made, media_type=parquet.MEDIA_TYPE)


@router.api_route("/page/{path:path}", methods=["GET", "HEAD"])
async def part(path: str, request: Request) -> Response:
    """Raises HTTPException (404) for what is no part: nothing but this list is ever read."""
    if path not in parts():
        raise HTTPException(404)
    return _respond(request, parts()[path])


def _respond(request: Request, part: Part) -> Response:
    packs = "gzip" in request.headers.get("accept-encoding", "")
    etag = f'"{part.etag}{"-gzip" if packs else ""}"'
    headers = {**HEADERS, "ETag": etag}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(part.packed if packs else part.body, headers=headers, media_type=part.media_type)
