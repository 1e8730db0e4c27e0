"""`cakupan alerts`: what is wrong, raised and cleared."""

from __future__ import annotations

import datetime as dt
import logging
import signal
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from cakupan import wiring
from cakupan.report import EXIT_WRONG, emit_json, out
from cakupan.settings import Settings, read_settings
from cakupan.standing_back import stand_back
from events import identity, regions

if TYPE_CHECKING:
    from cakupan.alerts.finding import Finding, Key
    from cakupan.alerts.watch import Told, Watchman


def alerts(
    once: bool = typer.Option(False, "--once", help="Look once, say what is found, and end."),
    json_: bool = typer.Option(False, "--json", help="With --once: report as JSON."),
) -> None:
    """Raise and clear alerts for as long as it runs: targets at risk, stalls, silent sources, surges of barriers,
    differences between log and tables.

    One is enough. It looks every CAKUPAN_ALERTS_LOOK_SECONDS, and tells what changed on `ikd.alert.v1`; /v1/alerts,
    streams and webhooks have it from there. With --once, what has to last before it is raised or cleared is only
    shown; the exit code is 1 if an alert is open.

    Example: `cakupan alerts --once --json`
    """
    settings = read_settings()
    if once:
        raise typer.Exit(_once(settings, json_))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stand_back()
    _watch(settings)


def _watch(settings: Settings) -> None:
    from cakupan.alerts.watch import run

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    run(lambda: _watchman(settings), settings.alerts_look_seconds, ended)


def _watchman(settings: Settings) -> Watchman:
    from cakupan.alerts.watch import Watchman

    return Watchman(settings.kafka_bootstrap, wiring.database(settings))


def _once(settings: Settings, json_: bool) -> int:
    watchman = _watchman(settings)
    try:
        watchman.start()
        told = watchman.look(dt.datetime.now(dt.UTC))
    finally:
        watchman.close()
    open_ = watchman.book.open
    if json_:
        emit_json(_report(told, open_))
    else:
        _say(told, open_)
    return EXIT_WRONG if open_ else 0


def _report(told: Told, open_: Mapping[Key, bytes]) -> dict[str, Any]:
    named = {"raised": told.raised, "cleared": told.cleared, "over": told.over}
    return {
        **{name: [_found(each) for each in found] for name, found in named.items()},
        "open": [{**_key(key), "alert_id": identity.as_text(each)} for key, each in open_.items()],
        "unknown": told.unknown,
    }


def _say(told: Told, open_: Mapping[Key, bytes]) -> None:
    from cakupan.alerts.watch import describe

    waiting = [each for each in told.over if each.key not in open_]
    said = {"raised": told.raised, "cleared": told.cleared, "not for long enough yet": waiting}
    for word, found in said.items():
        for each in found:
            out.print(f"  {word}: {describe(each.key)}: {each.reason}", markup=False)
    if told.unknown:
        unknown = ", ".join(told.unknown)
        out.print(f"the answers are behind the log, so nothing can be told of: {unknown}", style="yellow")
    out.print(f"{len(open_):,} alerts are open", style="red" if open_ else "green")


def _key(key: Key) -> dict[str, str]:
    return {"kind": key.kind, "region": regions.format_code(key.region), "subject": key.subject}


def _found(found: Finding) -> dict[str, Any]:
    numbers = {name: value for name, value in asdict(found).items() if name != "key"}
    return {**_key(found.key), **numbers}
