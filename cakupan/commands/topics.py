"""`cakupan topics`: topics and schemas, as the catalogue declares them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from cakupan.report import emit_json, out
from cakupan.settings import Settings, read_settings
from events import topics

if TYPE_CHECKING:
    from events.registry import Registered

app = typer.Typer(no_args_is_help=True, help="Topics and schemas as the catalogue declares them.")


@app.callback()
def group() -> None:
    """Topics and schemas as the catalogue declares them."""


@app.command(epilog="Example: `cakupan topics apply --dry-run`")
def apply(
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be done, and do nothing."),
    json_: bool = typer.Option(False, "--json", help="Report as JSON."),
) -> None:
    """Create the topics that are missing and set what differs; register schemas where CAKUPAN_REGISTRY_URL names a
    registry. Safe to repeat. A schema that can't read what an older one wrote is refused before anything is done, with
    the field and the rule.
    """
    settings = read_settings()
    # Schemas first, since no record of a new version may be written before its schema can be found.
    schemas = _register(settings, dry_run)
    applied = topics.apply(settings.kafka_bootstrap, replication=settings.kafka_replication, dry_run=dry_run)
    if json_:
        emit_json({"topics": [asdict(each) for each in applied], "schemas": [asdict(each) for each in schemas]})
        return
    for topic in applied:
        _say(topic.topic, topic.action, topic.detail, dry_run)
    for each in schemas:
        name = f"{each.subject} version {each.version}, schema id {each.schema_id}"
        _say(name, each.action, each.detail, dry_run)
    if not schemas:
        out.print("schemas: the API serves them; CAKUPAN_REGISTRY_URL names no registry to fill")


def _register(settings: Settings, dry_run: bool) -> list[Registered]:
    if not settings.registry_url:
        return []
    # Here and not above: its client takes a third of a second to import, which no other command needs.
    from events import registry

    access = registry.Access(settings.registry_url, settings.registry_user, settings.registry_password)
    return registry.apply(access, dry_run=dry_run)


def _say(name: str, action: str, detail: str, dry_run: bool) -> None:
    would = "would be " if dry_run and action != "as declared" else ""
    out.print(f"{name:24} {would}{action} {detail}".rstrip(), markup=False)
