"""Measures: what each costs with a nation's people, visits and a year of its sources' reports stored."""

from __future__ import annotations

import datetime as dt
import functools
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from fastapi.testclient import TestClient

from api.app import create_app
from api.memory import Memory
from api.options import ApiOptions
from benchmarks import people
from benchmarks.result import Figure, Result
from events import regions
from events.jsonform import WIB
from projections import activation, catalogue, facts
from projections.clickhouse import Database

NOON = dt.datetime.combine(people.LAST, dt.time(12), WIB)
REGIONS = {"nation": "0", "province": "61", "regency": "61.01"}
ASKED = {
    "live-comparison": "/v1/live-comparison/{}",
    "next visits": "/v1/next-visits/{}",
    "outreach": "/v1/outreach/{}",
    "served": "/v1/served/{}",
    "silence": "/v1/silence/{}",
}
TIMES = 3
LONG_MS = 5_000


def run(count: int) -> Result:
    """With `count` people stored, on this machine's cores alone; each question several times over, the median."""
    result = Result("measures", f"make bench NAME=measures EVENTS={count}")
    folder, _ = people.stored(count)
    with people.copied(folder) as copy, people.engine(copy) as (_, database):
        _add(database)
        ask(database, result)
    return result


def ask(database: Database, result: Result) -> None:
    """Time every question of a database that is filled."""
    options = ApiOptions(clock=lambda: NOON, public_level="village", fill=True)
    app = create_app(database, options)
    with TestClient(app) as client:
        _wait_for_memory(app.state.context.memory)
        result.figures["what sources said, read"] = Figure(_median(lambda: facts.sources(database)), "ms")
        for name, path in ASKED.items():
            for level, code in REGIONS.items():
                took = _median(functools.partial(_get, client, path.format(code)))
                result.figures[f"{name}, {level}"] = Figure(took, "ms")


def _add(database: Database) -> None:
    """Visits, a nation's events of the last month and its sources' reports of a year, as a worker inserts them."""
    end_ms = int(NOON.timestamp() * 1000)
    _through_the_door(database, "visits_named", {})
    database.run("OPTIMIZE TABLE activation_event FINAL")
    database.run(people.text("visits"))
    seconds = 30 * 86_400
    month = {"events": 30 * people.DAYS_EVENTS, "end_ms": end_ms, "seconds": seconds}
    _through_the_door(database, "last_day", month)
    database.run(people.text("source_reports"), {"end_ms": end_ms})
    people.settle(database)


def _through_the_door(database: Database, name: str, params: Mapping[str, object]) -> None:
    """Without the recompute: what was touched is forgotten, and coverage is that of before."""
    insert = catalogue.new_run()
    database.run(people.text(name), {**params, "run": insert})
    activation.forget(database, insert)


def _wait_for_memory(memory: Memory) -> None:
    """Until it holds every region, as it does some seconds after a start."""
    while memory.held(list(regions.by_number()), people.LAST) is None:
        time.sleep(0.5)


def _get(client: TestClient, path: str) -> None:
    client.get(path).raise_for_status()


def _median(ask_once: Callable[[], Any]) -> float:
    """Milliseconds; of fewer times where they are long."""
    took: list[float] = []
    while len(took) < TIMES and sum(took) < LONG_MS:
        began = time.perf_counter()
        ask_once()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)
