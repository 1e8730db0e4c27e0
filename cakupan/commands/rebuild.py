"""`cakupan rebuild`: the tables anew from the log, without standing still."""

from __future__ import annotations

from dataclasses import asdict

import typer

from cakupan import wiring
from cakupan.rebuild import PROJECTIONS, Outcome, Rebuild, tables_of
from cakupan.report import EXIT_WRONG, emit_json, out, progress, say
from cakupan.settings import read_settings


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
    tables = tables_of(projection)
    name = f"{settings.clickhouse_database}_rebuild"
    beside = settings.model_copy(update={"clickhouse_database": name})
    work = Rebuild(settings.kafka_bootstrap, wiring.database(settings), wiring.database(beside), name)
    try:
        work.prepare(fresh)
        with progress("building from the log") as step:
            work.catch_up(step)
        work.compare(tables)
        if not dry_run:
            work.switch(tables)
            work.drop()
    except KeyboardInterrupt:
        say.print("stopped; what was built is kept: run it again to go on, or with --fresh to begin anew")
        raise typer.Exit(EXIT_WRONG) from None
    _tell(work.outcome, dry_run, json_)
    raise typer.Exit(EXIT_WRONG if dry_run and work.outcome.differences else 0)


def _tell(outcome: Outcome, dry_run: bool, json_: bool) -> None:
    if json_:
        emit_json(asdict(outcome))
        return
    if outcome.resumed_from:
        out.print(f"went on from {outcome.resumed_from:,} records")
    out.print(f"{outcome.records:,} records read, {outcome.refused:,} of them in the dead letters")
    for each in outcome.differences:
        out.print(
            f"  {each.table}: {each.present:,} rows now, {each.new:,} new; {each.differing:,} keys differ,"
            f" the first {each.first}"
        )
    if not outcome.differences:
        out.print("the new tables and the present ones are the same")
    if dry_run:
        out.print("nothing was put in place")
    else:
        out.print(f"put in place: {', '.join(outcome.switched)}")
