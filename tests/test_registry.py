"""Filling a schema registry: what is compared, refused and said. The registry here is the read-only one of the API.

The real one is in `tests/registry`, run by `make registry`.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create_app
from cakupan.embedded.kafka import KafkaNode
from cakupan.settings import Settings
from events import catalogue, registry
from events.catalogue import BY_SCHEMA_ID, TOPICS, schema
from events.errors import IncompatibleSchema, RegistryAway, RegistryRefused
from events.registry import Access, Declared
from projections.clickhouse import Database
from tests.conftest import free_port
from tests.support import command
from tests.test_api_world import served, until

NEW = {"type": "record", "name": "New", "fields": [{"name": "a", "type": "long"}]}


@pytest.fixture(scope="module")
def access() -> Iterator[Access]:
    with served(Database("127.0.0.1", free_port())) as client:
        yield Access(str(client.base_url))


def changed(schema_id: int, **more: Any) -> list[Declared]:
    """The catalogue with one version changed."""
    return [
        replace(each, schema={**each.schema, **more}) if each.schema_id == schema_id else each
        for each in registry.declared()
    ]


def test_our_own_read_routes_have_everything_under_its_id(access: Access) -> None:
    told = registry.apply(access)
    assert {each.schema_id for each in told} == set(BY_SCHEMA_ID)
    assert {each.action for each in told} == {"as declared"}


def test_what_is_missing_is_told_and_only_apicurio_takes_it(access: Access) -> None:
    wanted = [Declared("new", 1, 9001, NEW)]
    assert [each.action for each in registry.apply(access, dry_run=True, wanted=wanted)] == ["registered"]
    with pytest.raises(RegistryRefused, match="only Apicurio takes them under given ids: name it as http"):
        registry.apply(access, wanted=wanted)


def test_a_version_that_was_edited_is_refused(access: Access) -> None:
    with pytest.raises(RegistryRefused, match=r"version 1 of ikd.*Deactivated is another text .* a version never"):
        registry.apply(access, wanted=changed(106, doc="Other words."))
    with pytest.raises(IncompatibleSchema, match=r"Deactivated: version 1 .*later: added without a default"):
        fields = [*schema(106)["fields"], {"name": "later", "type": "long"}]
        registry.apply(access, wanted=changed(106, fields=fields))


def test_another_id_and_a_version_too_many_are_refused(access: Access) -> None:
    moved = [replace(each, schema_id=9106) if each.schema_id == 106 else each for each in registry.declared()]
    with pytest.raises(RegistryRefused, match="has schema id 106, and records carry 9106"):
        registry.apply(access, wanted=moved)
    without = [each for each in registry.declared() if each.schema_id != 114]
    with pytest.raises(RegistryRefused, match=r"has a version 2, and the catalogue ends at 1"):
        registry.apply(access, wanted=without)


def test_a_breaking_version_is_refused_before_the_registry_is_asked() -> None:
    wanted = [
        Declared("new", 1, 9001, NEW),
        Declared("new", 2, 9002, {**NEW, "fields": [{"name": "b", "type": "int"}]}),
    ]
    with pytest.raises(IncompatibleSchema, match="new: version 2 can't read what version 1 wrote"):
        registry.apply(Access(f"http://127.0.0.1:{free_port()}"), wanted=wanted)


def test_a_registry_that_is_away_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}/apis/ccompat/v7"
    with pytest.raises(RegistryAway, match=rf"registry at {url} \(CAKUPAN_REGISTRY_URL\) does not answer"):
        registry.apply(Access(url))


@pytest.mark.parametrize("url", ["127.0.0.1:8081", "ftp://127.0.0.1", "registry"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(RegistryRefused, match=r"CAKUPAN_REGISTRY_URL\).*allowed is http\(s\)://host:port/apis"):
        registry.apply(Access(url))


def test_what_is_no_registry_is_refused(access: Access) -> None:
    with pytest.raises(RegistryRefused, match="HTTP 404"):
        registry.apply(Access(access.url + "/elsewhere"))


class Guarded:
    """A door before the registry, as a proxy in an office is: basic authentication, one user."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner
        self._expected = b"Basic " + base64.b64encode(b"cakupan:right")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") != self._expected:
            await send({"type": "http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Basic")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._inner(scope, receive, send)


@contextmanager
def guarded() -> Iterator[str]:
    port = free_port()
    app = Guarded(create_app(Database("127.0.0.1", free_port())))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def test_who_asks_is_let_in_or_told_which_settings() -> None:
    with guarded() as url:
        assert registry.apply(Access(url, "cakupan", "right"))
        for wrong in (Access(url), Access(url, "cakupan", "wrong-secret")):
            with pytest.raises(RegistryRefused, match=r"\(HTTP 401\); see CAKUPAN_REGISTRY_USER and") as caught:
                registry.apply(wrong)
            assert "wrong-secret" not in str(caught.value)


def test_what_is_imported_holds_each_text_under_its_id() -> None:
    archive = zipfile.ZipFile(io.BytesIO(registry.archive_of(registry.declared())))
    names = archive.namelist()
    for each in registry.declared():
        content = json.loads(archive.read(f"content/{each.schema_id}.Content.json"))
        assert content["contentId"] == each.schema_id
        assert json.loads(archive.read(f"content/{each.schema_id}.Content.data")) == each.schema
    assert len(names) == 1 + 2 * len(BY_SCHEMA_ID)


def test_a_place_in_a_schema_is_told_as_its_field() -> None:
    said = "list of diff types: [later at /fields/1, x at /fields/9]"
    given = {"fields": [{"name": "a"}, {"name": "later"}]}
    assert registry.with_fields(said, given) == "list of diff types: [later at field later, /fields/1, x at /fields/9]"


def test_the_command_applies_topics_and_compares_schemas(kafka: KafkaNode, access: Access) -> None:
    settings = Settings(_env_file=None, kafka_bootstrap=kafka.bootstrap, registry_url=access.url)
    command(settings, "topics", "apply")
    done = command(settings, "topics", "apply", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {each["topic"] for each in told["topics"]} == set(TOPICS)
    assert {each["schema_id"] for each in told["schemas"]} == set(BY_SCHEMA_ID)
    assert {each["action"] for each in [*told["topics"], *told["schemas"]]} == {"as declared"}
    away = settings.model_copy(update={"registry_url": f"http://127.0.0.1:{free_port()}"})
    done = command(away, "topics", "apply")
    assert (done.returncode, done.stdout) == (3, "")
    assert "CAKUPAN_REGISTRY_URL" in done.stderr
    assert httpx.get(access.url + "/subjects").status_code == 200


def test_without_a_registry_it_says_who_serves_schemas(kafka: KafkaNode) -> None:
    settings = Settings(_env_file=None, kafka_bootstrap=kafka.bootstrap)
    command(settings, "topics", "apply")
    done = command(settings, "topics", "apply")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == [*TOPICS, "schemas:"]
    assert all(line[1:] == ["as", "declared"] for line in lines[:-1])


def test_the_command_refuses_a_breaking_catalogue_before_it_asks_anybody(tmp_path: Path) -> None:
    shutil.copytree(catalogue.HERE, tmp_path / "events", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "events" / "schemas" / "ikd.activation.v1" / "Activated.v2.avsc"
    given = json.loads(path.read_text())
    given["fields"].append({"name": "later", "type": "long", "doc": "Has no default."})
    path.write_text(json.dumps(given))
    nobody = f"127.0.0.1:{free_port()}"
    done = command(Settings(_env_file=None, kafka_bootstrap=nobody), "topics", "apply", "--dry-run", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        "Activated: version 2 can't read what version 1 wrote (BACKWARD_TRANSITIVE): later: added without a default"
        in (" ".join(done.stderr.split()))
    )
