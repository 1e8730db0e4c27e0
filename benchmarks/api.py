"""What the API answers how fast, with a nation of people stored: an open-loop load at rising rates."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import httpx
import numpy as np
import psutil

from benchmarks import people, serving
from benchmarks.bed import at_rest, cpu_seconds, free_port
from benchmarks.load import Answers, Request, load
from benchmarks.result import Figure, Goal, Result
from cakupan.embedded.process import LOOPBACK, accepts, wait_until
from cakupan.settings import Settings
from events import regions
from projections.clickhouse import Database
from projections.migrate import migrate

RATES = (10, 25, 50, 75, 100, 200, 400, 600, 800, 1000)
SECONDS = 20
QUIET_RATE = 20.0
REACH_RATE = 1000
REACH_MS = 10.0
REACH_TIMES = 100
COMPARED = 2  # regions of each level
MIX = {"coverage": 0.7, "children": 0.1, "series": 0.1, "rates": 0.1}
T = TypeVar("T")
ASKED_HOURS = 5  # up to now, that rates are asked for


def run(count: int) -> Result:
    """With `count` people stored. The API is `cakupan serve`; engine, API and load share this machine's cores."""
    folder, made = people.stored(count)
    result = Result("api", f"make bench NAME=api EVENTS={count}")
    result.figures["people stored"] = Figure(made.people, "people")
    result.figures["made in"] = Figure(made.seconds, "s")
    result.figures["on disk"] = Figure(made.bytes / 1e9, "GB")
    _floor(result)
    with people.copied(folder) as copy, people.engine(copy) as (node, database):
        migrate(database)  # the folder may have been made by a version before
        ended = dt.datetime.now(dt.UTC)
        people.add_last_day(database, ended, ASKED_HOURS + 24)
        settings = Settings(clickhouse_port=node.port, api_port=free_port(), public_level="village", public_smallest=1)
        with serving.api(settings) as child:
            result.figures["counts read into memory in"] = Figure(at_rest(child.pid), "s")  # all counts are there then
            result.figures["memory of the API"] = Figure(psutil.Process(child.pid).memory_info().rss / 2**20, "MiB")
            measured = Measured(settings.api_port, child.pid, node.pid, result)
            _compare(result, settings, database)
            best = measured.rising("coverage", coverage_requests)
            measured.rising("mix", lambda count, rng: _mix(count, rng, ended))
        without_key(result, settings)
    result.goals[f"coverage, p99 at {REACH_RATE} requests/s, ms"] = Goal(REACH_MS, best >= REACH_RATE)
    return result


def without_key(result: Result, settings: Settings) -> None:
    """The same coverage questions, answered as everybody is: small counts are looked for around each region."""
    public = settings.model_copy(update={"public_smallest": 5, "api_port": free_port()})
    with serving.api(public) as child:
        at_rest(child.pid)
        measured = Measured(public.api_port, child.pid, None, result)
        rng = np.random.default_rng(3)
        load(public.api_port, coverage_requests(200, rng), 50)
        measured.note(
            f"public view at {REACH_RATE}/s",
            load(public.api_port, coverage_requests(REACH_RATE * SECONDS, rng), REACH_RATE),
        )


@dataclass
class Measured:
    """A running API, and where what is measured of it goes."""

    port: int
    api_pid: int
    engine_pid: int | None
    result: Result

    def rising(self, name: str, draw: Callable[[int, np.random.Generator], list[Request]]) -> float:
        """Load at each rate while nothing fails; the highest one at which p99 is under the goal."""
        rng = np.random.default_rng(3)
        load(self.port, draw(200, rng), 50)  # connections of the API to the engine, caches
        best = 0.0
        for rate in RATES:
            requests = draw(rate * SECONDS, rng)
            before = self._cpu()
            done = load(self.port, requests, rate)
            self.note(f"{name} at {rate}/s", done)
            for part, seconds in self._cpu().items():
                each = (seconds - before[part]) / max(rate * SECONDS - done.errors, 1) * 1000
                self.result.figures[f"{name} at {rate}/s, CPU of the {part}"] = Figure(each, "ms/request")
            if done.errors:  # more than it can: higher rates would say the same
                break
            if done.percentile(99) < REACH_MS:
                best = rate
        self.result.figures[f"{name}: highest rate with p99 under {REACH_MS:g} ms"] = Figure(best, "requests/s")
        return best

    def _cpu(self) -> dict[str, float]:
        return {"API": cpu_seconds(self.api_pid), "engine": cpu_seconds(self.engine_pid)}

    def note(self, name: str, done: Answers) -> None:
        figures = self.result.figures
        for route in (None, *sorted(set(done.routes))):
            for percent in (50, 99):
                label = f"{name}, {route}" if route else name
                figures[f"{label}, p{percent}"] = Figure(done.percentile(percent, route), "ms")
        figures[f"{name}, errors"] = Figure(done.errors, f"of {len(done.routes)}")


def _floor(result: Result) -> None:
    """What the load itself costs: the same load on a server that does nothing."""
    port = free_port()
    with serving.running("floor", ["benchmarks.floor", str(port)]) as child:
        assert wait_until(lambda: accepts(LOOPBACK, port), child, 10), child.tail()
        done = load(port, [("nothing", "/")] * (REACH_RATE * 5), REACH_RATE)
    for percent in (50, 99):
        name = f"floor: a server that does nothing, at {REACH_RATE}/s, p{percent}"
        result.figures[name] = Figure(done.percentile(percent), "ms")


def _compare(result: Result, settings: Settings, database: Database) -> None:
    """One question after the other: the API, and counts over the events. The exact count must be the same."""
    took: dict[str, list[float]] = {"the API": [], "count() of activations": [], "count of active people": []}
    asked = people.some_regions(COMPARED, np.random.default_rng(4))
    day = people.FIRST + dt.timedelta(days=people.DAYS * 2 // 3)
    with httpx.Client(base_url=settings.api_address, timeout=60) as client:
        client.get("/v1/coverage/0")
        for region in asked:
            path = f"/v1/coverage/{regions.format_code(region)}?as_of={day}"
            seconds, answer = timed(lambda path=path: client.get(path).raise_for_status().json())  # type: ignore[misc]
            took["the API"].append(seconds)
            for name, query in (("count() of activations", "activations"), ("count of active people", "active")):
                seconds, counted = timed(lambda q=query, r=region: people.counted_plainly(database, q, r, day))  # type: ignore[misc]
                took[name].append(seconds)
            assert answer["numerator"]["value"] == counted, (region, answer["numerator"], counted)
    for name, each in took.items():
        result.figures[f"one coverage question, {name}, median"] = Figure(median(each) * 1000, "ms")
    for name in list(took)[1:]:
        result.ratios[f"{name} to the API"] = median(took[name]) / median(took["the API"])
    ratio = result.ratios["count() of activations to the API"]
    result.goals["count() to the API, times"] = Goal(REACH_TIMES, ratio >= REACH_TIMES)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done


def _mix(count: int, rng: np.random.Generator, ended: dt.datetime) -> list[Request]:
    """`ended`: when the last of the stored events happened."""

    def rates(rng: np.random.Generator) -> Request:
        return _rates(rng, ended)

    draw = {"coverage": _coverage, "children": _children, "series": _series, "rates": rates}
    routes: Sequence[str] = rng.choice(list(MIX), count, p=list(MIX.values())).tolist()
    return [draw[route](rng) for route in routes]


def coverage_requests(count: int, rng: np.random.Generator | None = None) -> list[Request]:
    """Questions about the coverage of random regions of all levels."""
    rng = rng or np.random.default_rng(7)
    return [_coverage(rng) for _ in range(count)]


def _coverage(rng: np.random.Generator) -> Request:
    asked = _as_of(rng)
    return "of a day" if "as_of" in asked else "of today", f"/v1/coverage/{_region(rng)}{asked}"


def _children(rng: np.random.Generator) -> Request:
    return "children", f"/v1/coverage/{_region(rng, 'village')}/children{_as_of(rng)}"


def _series(rng: np.random.Generator) -> Request:
    interval, days = (("day", 90), ("week", 365), ("month", people.DAYS))[rng.integers(3)]
    first = people.LAST - dt.timedelta(days=days)
    return "series", f"/v1/coverage/{_region(rng)}/series?interval={interval}&from={first}&to={people.LAST}"


def _rates(rng: np.random.Generator, ended: dt.datetime) -> Request:
    """At a moment of the last hours: rates are watched while they happen."""
    at = ended - dt.timedelta(seconds=int(rng.integers(ASKED_HOURS * 3600)))
    return "rates", f"/v1/rates/{_region(rng)}?at={at:%Y-%m-%dT%H:%M:%SZ}"


def _as_of(rng: np.random.Generator) -> str:
    """Today or any day of the data, on the target's basis or as recorded."""
    day = people.FIRST + dt.timedelta(days=int(rng.integers(people.DAYS)))
    return ("", "?basis=recorded", f"?as_of={day}", f"?as_of={day}&basis=recorded")[rng.integers(4)]


def _region(rng: np.random.Generator, *without: str) -> str:
    """A region of any level: each level is asked for as often."""
    levels = [level for level in regions.LEVELS if level not in without]
    numbers = people.of_level(levels[rng.integers(len(levels))])
    return regions.format_code(numbers[rng.integers(len(numbers))])
