"""`cakupan audit`: the proof while it runs."""

from __future__ import annotations

import logging
import signal
import threading
from dataclasses import asdict

import typer

from cakupan import wiring
from cakupan.report import EXIT_WRONG, emit_json, out, progress
from cakupan.settings import Settings, read_settings
from cakupan.standing_back import stand_back
from projections import answers, integrity


def audit(
    once: bool = typer.Option(False, "--once", help="Check what the answers hold now, say what was found, and end."),
    json_: bool = typer.Option(False, "--json", help="With --once: report as JSON."),
) -> None:
    """Compare the log with the tables for as long as it runs: every event in its place, none lost, none twice.

    One is enough. It takes at most CAKUPAN_AUDIT_SHARE of the time while the worker is behind. What it finds stands in
    `/v1/integrity` and in its log; `cakupan repair` mends it. With --once the exit code is 1 if anything differs.

    Example: `cakupan audit --once --json`
    """
    settings = read_settings()
    if once:
        raise typer.Exit(_once(settings, json_))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stand_back()
    _watch(settings)


def _watch(settings: Settings) -> None:
    from streams.audit import Auditor, watch
    from streams.log_reader import LogReader

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with LogReader(settings.kafka_bootstrap, "cakupan-audit") as reader:
        watch(Auditor(wiring.database(settings), reader, settings.audit_share), ended.wait)


def _once(settings: Settings, json_: bool) -> int:
    from streams.audit import Auditor, describe
    from streams.log_reader import LogReader

    database = wiring.database(settings)
    with LogReader(settings.kafka_bootstrap, "cakupan-audit") as reader, progress("checking the log") as step:
        auditor = Auditor(database, reader, settings.audit_share)
        auditor.start()
        auditor.settle(step)
    found = sorted(integrity.open_differences(database), key=lambda each: (each.topic, each.partition, each.offset))
    checked = integrity.audited(database)
    if json_:
        emit_json(
            {
                "verified_up_to": {f"{e.topic}/{e.partition}": e.next for e in answers.log_place(database).verified},
                "partitions": {f"{topic}/{number}": asdict(each) for (topic, number), each in checked.items()},
                "differences": [{**asdict(each), "event_id": each.event_id.hex()} for each in found],
            }
        )
        return EXIT_WRONG if found else 0
    out.print(f"{sum(each.events for each in checked.values()):,} events of the log checked")
    for each in found[:20]:
        out.print(f"  {describe(each)}", markup=False)
    if found:
        out.print(f"{len(found):,} differences; mend them: cakupan repair", style="red")
    else:
        out.print("every event of the log is in its place, none too many", style="green")
    return EXIT_WRONG if found else 0
