"""The contracts, served: the AsyncAPI document for programs, a page for people."""

from __future__ import annotations

import functools
import json

import yaml
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from api import events_page
from api.context import Ctx
from events import asyncapi

router = APIRouter(tags=["events"])

JSON = "application/vnd.aai.asyncapi+json;version=3.0.0"
YAML = "application/vnd.aai.asyncapi+yaml;version=3.0.0"


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as people write them."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


@router.get(
    "/asyncapi.json",
    summary="The AsyncAPI 3.0 document",
    response_class=Response,
    responses={200: {"content": {JSON: {}}}},
)
def as_json(context: Ctx, request: Request) -> Response:
    """Topics, event types with their Avro schemas, keys, headers, examples, and how a subscriber connects."""
    return Response(_json(context.options.subscriber_bootstrap, _here(request)), media_type=JSON)


@router.get(
    "/asyncapi.yaml", summary="The same as YAML", response_class=Response, responses={200: {"content": {YAML: {}}}}
)
def as_yaml(context: Ctx, request: Request) -> Response:
    return Response(_yaml(context.options.subscriber_bootstrap, _here(request)), media_type=YAML)


@router.get("/events", summary="Every event type, for people", response_class=HTMLResponse)
def page() -> Response:
    return HTMLResponse(events_page.page(), headers={"Content-Security-Policy": events_page.POLICY})


def _here(request: Request) -> str:
    """Schemas are at this very server, by whatever name it was reached."""
    return str(request.base_url).rstrip("/")


@functools.lru_cache(maxsize=8)
def _json(bootstrap: str, registry_url: str) -> str:
    return json.dumps(asyncapi.document(bootstrap, registry_url), ensure_ascii=False)


@functools.lru_cache(maxsize=8)
def _yaml(bootstrap: str, registry_url: str) -> str:
    document = asyncapi.document(bootstrap, registry_url)
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
