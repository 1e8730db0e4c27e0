"""`cakupan repair`: mend what the auditor found."""

from __future__ import annotations

from dataclasses import asdict

import typer

from cakupan import wiring
from cakupan.report import EXIT_WRONG, emit_json, out, progress
from cakupan.settings import read_settings
from projections import integrity


def repair(
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be mended."),
    json_: bool = typer.Option(False, "--json", help="Report as JSON."),
) -> None:
    """Mend the differences that `cakupan audit` found, from the log: only the regions and days that differ.

    Exit code 1 if something is left.

    Example: `cakupan repair --dry-run`
    """
    # Here and not above: what reads the log takes a while to import.
    from cakupan.repair import Repaired
    from cakupan.repair import repair as mend
    from streams.audit import describe
    from streams.log_reader import LogReader

    settings = read_settings()
    database = wiring.database(settings)
    asked = integrity.open_differences(database)
    outcome = Repaired(left=list(asked))
    if asked and not dry_run:
        with LogReader(settings.kafka_bootstrap, "cakupan-repair") as reader, progress("reading the log again") as step:
            outcome = mend(database, reader, list(asked), step)
        integrity.write_differences(database, {each: asked[each] for each in outcome.mended}, still_open=False)
    if json_:
        emit_json(
            {
                "records": outcome.records,
                "removed": outcome.removed,
                "mended": len(outcome.mended),
                "left": [{**asdict(each), "event_id": each.event_id.hex()} for each in outcome.left],
            }
        )
    elif not asked:
        out.print("the auditor knows of no difference", style="green")
    else:
        for each in (outcome.left if dry_run else outcome.mended)[:20]:
            out.print(f"  {describe(each)}", markup=False)
        if dry_run:
            out.print(f"{len(asked):,} differences; nothing was mended")
        else:
            out.print(
                f"{len(outcome.mended):,} differences mended: {outcome.records:,} records read again,"
                f" {outcome.removed:,} events taken out",
                style="green",
            )
            for each in outcome.left[:20]:
                out.print(f"  left: {describe(each)}", style="red", markup=False)
    raise typer.Exit(EXIT_WRONG if outcome.left else 0)
