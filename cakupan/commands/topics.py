"""`cakupan topics`: the topics, as the catalogue declares them."""

from __future__ import annotations

from dataclasses import asdict

import typer

from cakupan.report import emit_json, out
from cakupan.settings import read_settings
from events import topics

app = typer.Typer(no_args_is_help=True, help="Topics as the catalogue declares them.")


@app.callback()
def group() -> None:
    """Topics as the catalogue declares them."""


@app.command(epilog="Example: `cakupan topics apply --dry-run`")
def apply(
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be done, and do nothing."),
    json_: bool = typer.Option(False, "--json", help="Report as JSON."),
) -> None:
    """Create the topics that are missing and set what differs. Safe to repeat; nothing else creates topics."""
    settings = read_settings()
    applied = topics.apply(settings.kafka_bootstrap, replication=settings.kafka_replication, dry_run=dry_run)
    if json_:
        emit_json([asdict(each) for each in applied])
        return
    for each in applied:
        out.print(f"{each.topic:24} {'would be ' if dry_run and each.detail else ''}{each.action} {each.detail}")
