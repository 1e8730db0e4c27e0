"""`cakupan verify`: recount from the log, compare with the answers."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import asdict

import typer

from cakupan import wiring
from cakupan.recount import Log, read_log
from cakupan.report import EXIT_WRONG, emit_json, fail, out, progress
from cakupan.settings import Settings, read_settings
from cakupan.verify import Report, compare
from projections import keys, position, sql
from projections.clickhouse import Database

ROUNDS = 5  # a live system moves on while it is recounted: what is new is read, and only then a difference counts
LONGEST = dt.timedelta(hours=12)  # that the key holds which a comparison asks with


def verify(
    show: int = typer.Option(10, min=1, help="Differences to print."),
    json_: bool = typer.Option(False, "--json", help="Report as JSON."),
) -> None:
    """Recount everything from the log with plain, separate code, and compare with the API and the tables.

    By region and day. Prints the first differences and ends with exit code 1 if there are any.

    Example: `cakupan verify --json`
    """
    settings = read_settings()
    report = run(settings)
    if json_:
        emit_json(_as_json(report, show))
    else:
        _tell(report, show)
    raise typer.Exit(0 if report.right else EXIT_WRONG)


def run(settings: Settings) -> Report:
    """Recount and compare, and note what was found right. Raises PublishError, DatabaseError, ApiAway."""
    began = time.monotonic()
    database = wiring.database(settings)
    log = Log()
    for _ in range(ROUNDS):
        with progress("reading the log") as step:
            log = read_log(settings.kafka_bootstrap, log, step)
        _wait_for_answers(database, log)
        report = _compare(settings, database, log)
        if report.right or not _moved_on(database, log):
            break
    report.seconds = time.monotonic() - began
    if report.right:
        position.write_verified(database, report.positions, dt.datetime.now(dt.UTC))
    return report


def _compare(settings: Settings, database: Database, log: Log) -> Report:
    """With a key, for every village is asked for."""
    lent = keys.lent(database, "cakupan-verify", LONGEST)
    with progress("comparing") as step, lent as key, wiring.api_client(settings, key) as api:
        return compare(log, database, api, lambda _, done, total: step(done, total))


def _positions(database: Database) -> dict[tuple[str, int], int]:
    rows = database.rows(sql.query("positions"))
    return {(row["topic"], row["partition"]): row["position"] for row in rows}


def _wait_for_answers(database: Database, log: Log, timeout: float = 60) -> None:
    """The answers must hold what was read before they can be compared with it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        there = _positions(database)
        wanted = {place: end for place, end in log.end.items() if place in there or end}
        late = {p: e for p, e in wanted.items() if p[0] != "ikd.dead-letter.v1" and there.get(p, 0) < e}
        if not late:
            return
        time.sleep(0.2)
    (topic, partition), end = next(iter(late.items()))
    fail(
        f"the answers have not reached the end of the log: {topic}/{partition} stands at"
        f" {there.get((topic, partition), 0)} of {end}. Does the worker run? See: cakupan status",
        EXIT_WRONG,
    )


def _moved_on(database: Database, log: Log) -> bool:
    return any(position > log.end.get(place, 0) for place, position in _positions(database).items())


def _tell(report: Report, show: int) -> None:
    out.print(
        f"{report.records:,} records in the log, {report.events:,} distinct events, {report.refused:,} refused;"
        f" {report.active:,} people active"
    )
    out.print(f"compared {report.regions:,} regions over {report.days:,} days in {report.seconds:.1f} s")
    if report.right:
        out.print("verified: the answers are what the log says", style="green")
        return
    out.print(f"{len(report.differences):,} differences; the first:", style="red")
    for each in report.differences[:show]:
        place = f"region {each.region}, day {each.day}" if each.region is not None else each.where
        out.print(f"  {place}: {each.where} {each.field}: the log says {each.log}, found {each.found}")


def _as_json(report: Report, show: int) -> dict[str, object]:
    return {
        "verified": report.right,
        "records": report.records,
        "events": report.events,
        "refused": report.refused,
        "active": report.active,
        "regions": report.regions,
        "days": report.days,
        "seconds": round(report.seconds, 2),
        "difference_count": len(report.differences),
        "differences": [asdict(each) for each in report.differences[:show]],
        "positions": {f"{topic}/{partition}": end for (topic, partition), end in report.positions.items()},
    }
