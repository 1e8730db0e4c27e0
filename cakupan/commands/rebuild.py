"""`cakupan rebuild`: the tables anew from the log, without standing still."""

from __future__ import annotations

import time
from dataclasses import asdict

import typer

from cakupan.rebuild import PROJECTIONS, Outcome, Rebuild, of_settings, workers
from cakupan.report import EXIT_WRONG, emit_json, out, progress, say
from cakupan.settings import Settings, read_settings
from cakupan.standing_back import stand_back


def rebuild(
    projection: str = typer.Argument(None, help=f"One of {', '.join(PROJECTIONS)}; all if left out."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Build and compare, put nothing in place."),
    fresh: bool = typer.Option(False, "--fresh", help="Begin anew instead of going on with what was begun."),
    json_: bool = typer.Option(False, "--json", help="Report as JSON."),
) -> None:
    """Build the tables anew from the whole log, compare them with the present ones, and put them in their place.

    The present tables answer until then. It can be stopped with Ctrl-C, and goes on when run again. With --dry-run the
    exit code is 1 if anything differs.

    Example: `cakupan rebuild coverage --dry-run`
    """
    settings = read_settings()
    stand_back()
    work = of_settings(settings, projection)
    try:
        _run(work, settings, dry_run, fresh)
    except KeyboardInterrupt:
        say.print("stopped; what was built is kept: run it again to go on, or with --fresh to begin anew")
        raise typer.Exit(EXIT_WRONG) from None
    outcome = work.outcome
    _tell(outcome, json_)
    raise typer.Exit(EXIT_WRONG if not outcome.switched and (outcome.differences or outcome.shapes) else 0)


def _run(work: Rebuild, settings: Settings, dry_run: bool, fresh: bool) -> None:
    if work.finish_cut_short():
        say.print("finished a switch that had been cut short")
        work.drop()
        return
    work.prepare(fresh)
    with progress("reading the log") as step:
        work.load(step)
    with progress("counting") as step:
        work.count(step)
    with progress("what came since") as step:
        work.catch_up(step)
    work.compare()
    if dry_run:
        return
    if work.pending:
        _wait_for_the_end_of_workers(work, settings)
    work.switch()
    work.drop()


def _wait_for_the_end_of_workers(work: Rebuild, settings: Settings) -> None:
    """Those that run are of the version before: what they write into the new tables would be wrong."""
    told = 0
    while (running := workers(settings.kafka_bootstrap, settings.worker_group)) > 0:
        if running != told:
            say.print(
                f"the new tables are ready for {work.pending[0].file}. Stop the workers of the version before"
                f" ({running} in group {settings.worker_group}): it switches when they have ended. Ctrl-C puts it off"
            )
        told = running
        time.sleep(1)


def _tell(outcome: Outcome, json_: bool) -> None:
    if json_:
        emit_json(asdict(outcome))
        return
    if outcome.resumed_from:
        out.print(f"went on from {outcome.resumed_from:,} records")
    out.print(f"{outcome.records:,} records read, {outcome.refused:,} of them in the dead letters")
    for shape in outcome.shapes:
        out.print(f"  {shape}")
    for each in outcome.differences:
        out.print(
            f"  {each.table}: {each.present:,} rows now, {each.new:,} new; {each.differing:,} keys differ,"
            f" the first {each.first}"
        )
    if not outcome.differences:
        out.print("the new tables and the present ones are the same" + (" in all else" if outcome.shapes else ""))
    if outcome.switched:
        out.print(f"put in place in {outcome.switch_seconds * 1000:.0f} ms: {', '.join(outcome.switched)}")
    else:
        out.print("nothing was put in place")
