"""The catalogue's schemas in a schema registry that Confluent's clients read: Apicurio in production.

Records carry the catalogue's schema ids (4 bytes in front of each), so a registry has to know each schema by that very
id. Confluent's API gives ids out by itself, and Apicurio's ignores the id and the mode IMPORT of a request. Its own API
takes them: an import puts a schema's text under its id, and registering it then finds the text, checks it against the
rule of compatibility, and keeps the id. A registry that has every schema under its id already, such as the read routes
of the API, is only compared.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from events import compatibility
from events.catalogue import EVENTS, schema
from events.errors import ContractError, IncompatibleSchema, RegistryAway, RegistryRefused

OWN_API = "/apis/registry/v3"
TIMEOUT = 30.0

_URL = "http(s)://host:port/apis/ccompat/v7"
_DELETE = "Cakupan's ids are fixed: delete that one there, or give Cakupan a registry of its own"
_NOT_FOUND, _CONFLICT, _BROKEN = 404, 409, 500
_NOT_ALLOWED = (401, 403)
_FIELD = re.compile(r"/fields/(\d+)")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Access:
    """Where the registry is, with the URL that its clients are given, and who asks. Empty: nobody in particular."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def settings(self) -> dict[str, Any]:
        """What Confluent's client takes."""
        more = {"basic.auth.user.info": f"{self.user}:{self.password}"} if self.user else {}
        return {"url": self.url, "timeout": TIMEOUT, "max.retries": 1, **more}

    @property
    def basic(self) -> tuple[str, str] | None:
        return (self.user, self.password) if self.user else None


@dataclass(frozen=True)
class Declared:
    """A version of a subject, as it has to stand in the registry."""

    subject: str
    number: int
    schema_id: int
    schema: dict[str, Any]

    @property
    def text(self) -> str:
        """As registered: the same bytes each time, since a registry knows a schema by them."""
        return json.dumps(self.schema)


@dataclass(frozen=True)
class Registered:
    """What was done to one version of a subject: `registered`, `changed` or `as declared`, and the details."""

    subject: str
    version: int
    schema_id: int
    action: str
    detail: str = ""


def declared() -> list[Declared]:
    """Every version in the catalogue, each subject's oldest first."""
    return [
        Declared(event.subject, each.number, each.schema_id, schema(each.schema_id))
        for event in EVENTS.values()
        for each in event.versions
    ]


def apply(access: Access, *, dry_run: bool = False, wanted: Sequence[Declared] | None = None) -> list[Registered]:
    """Register what is missing, version by version, under the ids that records carry. Safe to repeat.

    Everything is compared before anything is changed. wanted: by default the catalogue.
    Raises IncompatibleSchema for a version that can't read an older one, RegistryRefused where the registry holds
    something else or does not let us in, RegistryAway where it does not answer.
    """
    subjects = _by_subject(declared() if wanted is None else wanted)
    for name, versions in subjects.items():
        compatibility.check_versions(name, [(each.number, each.schema) for each in versions])
    registry = Registry(access)
    plans = [_plan(registry, versions) for versions in subjects.values()]
    if not dry_run:
        _carry_out(registry, plans)
    return [each for plan in plans for each in plan.told()]


@dataclass(frozen=True)
class _Plan:
    """What one subject lacks. level: its rule of compatibility; None: it has none of its own."""

    versions: tuple[Declared, ...]
    missing: tuple[Declared, ...]
    level: str | None

    @property
    def subject(self) -> str:
        return self.versions[0].subject

    def told(self) -> list[Registered]:
        return [self._told(each) for each in self.versions]

    def _told(self, each: Declared) -> Registered:
        action, detail = "as declared", ""
        if each in self.missing:
            action = "registered"
        elif each is self.versions[-1] and self.level != compatibility.LEVEL:
            action, detail = "changed", f"compatibility {self.level} -> {compatibility.LEVEL}"
        return Registered(each.subject, each.number, each.schema_id, action, detail)


def _by_subject(wanted: Sequence[Declared]) -> dict[str, list[Declared]]:
    found: dict[str, list[Declared]] = {}
    for each in wanted:
        found.setdefault(each.subject, []).append(each)
    return found


def _plan(registry: Registry, versions: Sequence[Declared]) -> _Plan:
    """Raises unless all that the registry has of a subject is what is declared."""
    subject, by_number = versions[0].subject, {each.number: each for each in versions}
    present = registry.versions(subject)
    for held in present:
        if held.number not in by_number:
            raise registry.ahead(held, versions[-1])
        if held.schema != by_number[held.number].schema:
            raise registry.other(held, by_number[held.number])
        if held.schema_id != by_number[held.number].schema_id:
            raise registry.refused(
                f"version {held.number} of {subject} has schema id {held.schema_id}, and records carry"
                f" {by_number[held.number].schema_id}: who reads them would not find it; delete the subject there"
            )
    numbers = {held.number for held in present}
    missing = tuple(each for each in versions if each.number not in numbers)
    return _Plan(tuple(versions), missing, registry.level(subject) if present else None)


def _carry_out(registry: Registry, plans: Iterable[_Plan]) -> None:
    changed = [plan for plan in plans if plan.missing or plan.level != compatibility.LEVEL]
    if missing := [each for plan in changed for each in plan.missing]:
        registry.reserve(missing)
    for plan in changed:
        if plan.level != compatibility.LEVEL:
            registry.set_level(plan.subject)
        for each in plan.missing:
            registry.register(each)


class Registry:
    """One registry, asked by Confluent's client, its errors put into words."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._name = f"the schema registry at {access.url} (CAKUPAN_REGISTRY_URL)"
        try:
            self._client = SchemaRegistryClient(access.settings)
        except ValueError as error:
            raise self.refused(f"{error}; allowed is {_URL}") from None

    def versions(self, subject: str) -> list[Declared]:
        """What it has of a subject; empty where it knows none of that name."""
        numbers = self._ask(partial(self._client.get_versions, subject)) or []
        found = [self._ask(partial(self._client.get_version, subject, number)) for number in numbers]
        return [
            Declared(subject, each.version, each.schema_id, json.loads(each.schema.schema_str))
            for each in found
            if each is not None
        ]

    def level(self, subject: str) -> str | None:
        """Its rule of compatibility; None where it has none of its own."""
        config = self._ask(partial(self._client.get_config, subject))
        return config.compatibility_level.value if config is not None and config.compatibility_level else None

    def set_level(self, subject: str) -> None:
        self._ask(partial(self._client.set_compatibility, subject, compatibility.LEVEL))

    def reserve(self, wanted: Sequence[Declared]) -> None:
        """Put the texts under their ids, by Apicurio's import of contents, and look whether they are there.

        Raises RegistryRefused where an id is taken, or the registry is another.
        """
        with httpx2.Client(base_url=self._own_api(), auth=self._access.basic, timeout=TIMEOUT) as client:
            query, headers = {"requireEmptyRegistry": "false"}, {"X-Registry-Preserve-ContentId": "true"}
            headers["Content-Type"] = "application/zip"
            archive = archive_of(wanted)
            self._http(partial(client.post, "/admin/import", content=archive, headers=headers, params=query))
            for each in wanted:
                held = self._http(partial(client.get, f"/ids/contentIds/{each.schema_id}"))
                if held.status_code == _NOT_FOUND:
                    raise self.refused(f"the schema of id {each.schema_id} stands there under another id; {_DELETE}")
                if held.text != each.text:
                    raise self.refused(f"schema id {each.schema_id} is taken by another schema; {_DELETE}")

    def register(self, wanted: Declared) -> None:
        """Raises IncompatibleSchema with the field that the registry names, RegistryRefused for another id."""
        text = Schema(wanted.text, "AVRO")
        try:
            given = self._ask(partial(self._client.register_schema, wanted.subject, text))
        except SchemaRegistryError as error:
            said = with_fields(error.error_message, wanted.schema)
            raise IncompatibleSchema(
                f"{self._name} refuses version {wanted.number} of {wanted.subject}: {said}."
                f" {compatibility.ALLOWED.capitalize()}"
            ) from None
        if given != wanted.schema_id:
            raise self.refused(
                f"version {wanted.number} of {wanted.subject} got schema id {given} there, and records carry"
                f" {wanted.schema_id}. If that is an older version's: one that differs in its words alone is none there"
            )

    def ahead(self, held: Declared, newest: Declared) -> RegistryRefused:
        """It has a version that is not declared: an older program, or one that forgot to name it."""
        return self.refused(
            f"{held.subject} has a version {held.number}, and the catalogue ends at {newest.number}:"
            " this is an older Cakupan, or the version is missing in events/catalogue.py"
        )

    def other(self, held: Declared, wanted: Declared) -> ContractError:
        """A version was edited in its place."""
        if found := compatibility.breaks(wanted.schema, held.schema):
            return compatibility.refusal(held.subject, wanted.number, held.number, found)
        return self.refused(
            f"version {held.number} of {held.subject} is another text than the catalogue's; a version never changes:"
            " give the new one the next number and a new id"
        )

    def refused(self, what: str) -> RegistryRefused:
        return RegistryRefused(f"{self._name}: {what}")

    def _own_api(self) -> str:
        base, found, _ = self._access.url.rstrip("/").partition("/apis/ccompat/")
        if not found:
            raise self.refused(f"schemas are missing, and only Apicurio takes them under given ids: name it as {_URL}")
        return base + OWN_API

    def _ask(self, question: Callable[[], _Answer]) -> _Answer | None:
        """The client's answer; None for what is not there. Lets a conflict through."""
        try:
            return question()
        except SchemaRegistryError as error:
            if error.http_status_code == _CONFLICT:
                raise
            if error.http_status_code == _NOT_FOUND and str(error.error_code).startswith("404"):
                return None
            raise self._failed(error.http_status_code, str(error.error_message)) from None
        except (httpx2.HTTPError, OSError, ValueError) as error:
            raise self._away(error) from None

    def _http(self, question: Callable[[], httpx2.Response]) -> httpx2.Response:
        try:
            answer = question()
        except httpx2.HTTPError as error:
            raise self._away(error) from None
        if answer.is_error and answer.status_code != _NOT_FOUND:
            raise self._failed(answer.status_code, answer.text[:200])
        return answer

    def _failed(self, status: int, said: str) -> RegistryRefused | RegistryAway:
        if status in _NOT_ALLOWED:
            return self.refused(
                f"it does not let us in (HTTP {status}); see CAKUPAN_REGISTRY_USER and CAKUPAN_REGISTRY_PASSWORD"
            )
        return self._away(f"HTTP {status}, {said}") if status >= _BROKEN else self.refused(f"HTTP {status}, {said}")

    def _away(self, reason: object) -> RegistryAway:
        return RegistryAway(f"{self._name} does not answer: {reason or type(reason).__name__}")


def with_fields(said: str, given: Mapping[str, Any]) -> str:
    """The registry's words with field names where it has `/fields/10`: `device_class at device_class (/fields/10)`."""
    fields = given["fields"]

    def named(found: re.Match[str]) -> str:
        at = int(found[1])
        return f"field {fields[at]['name']}, {found[0]}" if at < len(fields) else found[0]

    return _FIELD.sub(named, said)


def archive_of(wanted: Iterable[Declared]) -> bytes:
    """What Apicurio imports: a ZIP of contents, each with its id and no artifact."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cakupan.Manifest.json", json.dumps(_MANIFEST))
        for each in wanted:
            content = {
                "contentId": each.schema_id,
                "contentHash": hashlib.sha256(each.text.encode()).hexdigest(),
                "artifactType": "AVRO",
                "contentType": "application/json",
            }
            archive.writestr(f"content/{each.schema_id}.Content.json", json.dumps(content))
            archive.writestr(f"content/{each.schema_id}.Content.data", each.text)
    return whole.getvalue()


_MANIFEST = {"systemVersion": "3.3.3", "systemName": "Cakupan", "exportVersion": "3.0", "exportedOn": 0}
