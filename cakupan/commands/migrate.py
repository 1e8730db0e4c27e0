"""`cakupan migrate`: tables up to date."""

from __future__ import annotations

import typer

from cakupan import wiring
from cakupan.report import emit_json, out, say
from cakupan.settings import read_settings
from projections import migrate as migrations


def migrate(json_: bool = typer.Option(False, "--json", help="Report as JSON.")) -> None:
    """Bring the ClickHouse tables up to date. Safe to repeat.

    Example: `cakupan migrate`
    """
    # One that writes anew what is stored takes minutes with a nation in the tables.
    with say.status("looking at the tables") as status:
        ran = migrations.migrate(wiring.database(read_settings()), lambda name: status.update(f"running {name}"))
    if json_:
        emit_json({"ran": ran})
    else:
        out.print("\n".join(f"ran {name}" for name in ran) or "up to date")
