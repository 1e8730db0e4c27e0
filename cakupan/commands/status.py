"""`cakupan status`: what runs, how fresh the answers are."""

from __future__ import annotations

from typing import Any

import httpx
import typer
from rich.table import Table

from cakupan import wiring
from cakupan.errors import ApiAway
from cakupan.report import EXIT_WRONG, emit_json, out
from cakupan.settings import Settings, read_settings


def status(json_: bool = typer.Option(False, "--json", help="Report as JSON.")) -> None:
    """Show what runs, how far the answers have come in the log, and how fresh they are.

    Exit code 1 if the system is not ready.

    Example: `cakupan status --json`
    """
    settings = read_settings()
    ready, why, freshness = ask(settings)
    if json_:
        emit_json({"ready": ready, "why": why, "freshness": freshness})
    else:
        _tell(settings, ready, why, freshness)
    raise typer.Exit(0 if ready else EXIT_WRONG)


def ask(settings: Settings) -> tuple[bool, str, dict[str, Any] | None]:
    """Readiness, the reason why not, and freshness where it can be had. Raises ApiAway."""
    with wiring.api_client(settings) as api:
        try:
            ready = api.get("/health/ready")
            fresh = api.get("/v1/freshness")
        except httpx.HTTPError as error:
            raise ApiAway(f"no API answers at {settings.api_address} (CAKUPAN_API_PORT): {error}") from error
    why = "" if ready.is_success else str(ready.json().get("detail", ready.text))
    return ready.is_success, why, fresh.json() if fresh.is_success else None


def _tell(settings: Settings, ready: bool, why: str, freshness: dict[str, Any] | None) -> None:
    out.print(f"API {settings.api_address}: " + ("[green]ready[/green]" if ready else "[red]not ready[/red]"))
    if why:
        out.print(f"  {why}", markup=False)
    if freshness is None:
        return
    table = Table("topic", "partition", "position", "head", "lag")
    for each in freshness["partitions"]:
        table.add_row(each["topic"], *(str(each[name]) for name in ("partition", "position", "head", "lag")))
    out.print(table)
    age = freshness["data"]["age_seconds"]
    out.print("no worker has reported yet" if age is None else f"the answers are {age:.1f} s old")
