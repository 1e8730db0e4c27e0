"""The page in a browser that has never seen it: until something is painted, until all is drawn, and what it weighs."""

from __future__ import annotations

import contextlib
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import httpx
from playwright.sync_api import Browser, sync_playwright

from benchmarks import people, serving
from benchmarks.api import timed
from benchmarks.bed import at_rest, free_port
from benchmarks.offices import activation
from benchmarks.result import Figure, Goal, Result
from cakupan.embedded.process import LOOPBACK, accepts, wait_until
from cakupan.stack import Stack
from events.publisher import Publisher

TIMES = 20
REACH_PAINT_MS = 1000
REACH_SCRIPT = 300_000  # bytes
REACH_MOVED_MS = 1000
VILLAGES = "/v1/coverage/0/villages?sort=numerator&limit=100"
PAGES = {"nation": "/?basis=population", "province": "/?region=61&basis=population", "regency": "/?region=61.01"}
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
DRAWN = "document.querySelector('h1[tabindex]') && !document.querySelector('.tile:not([hidden])[aria-busy]')"
SHOWS = "text => document.querySelector('.figure.coverage').textContent.includes(text)"
VILLAGE = 61_01_01_2001  # in the regency
WEIGHT = """() => performance.getEntriesByType('resource').filter((each) => new URL(each.name).pathname.endsWith('.js'))
  .reduce((sum, each) => sum + each.encodedBodySize, 0)"""


@dataclass(frozen=True)
class Seen:
    """Of one look at a page, in ms from its first request, and bytes of scripts over the wire."""

    painted: float
    drawn: float
    script: float


def run(count: int) -> Result:
    """With `count` people stored. Kafka, worker, engine, API and browser share this machine's cores."""
    result = Result("page", f"make bench NAME=page EVENTS={count}")
    folder, _ = people.stored(count)
    with browser() as launched:
        floor = [each.painted for each in _floor(launched)]
        result.figures["floor: one line of text from a server that does nothing, first paint, p50"] = _ms(floor)
        with serving.stack(folder) as stack:
            assert stack.api is not None
            at_rest(stack.api.pid)
            address = stack.settings.api_address
            seen = {name: _looks(launched, address + path, DRAWN) for name, path in PAGES.items()}
            _villages(result, address)
            moved = _moves(launched, stack)
    for name, looks in seen.items():
        result.figures[f"{name}, first paint, p50"] = _ms([each.painted for each in looks])
        result.figures[f"{name}, first paint, slowest"] = Figure(max(each.painted for each in looks), "ms")
        result.figures[f"{name}, all drawn, p50"] = _ms([each.drawn for each in looks])
    slowest = max(each.painted for looks in seen.values() for each in looks)
    heaviest = max(each.script for looks in seen.values() for each in looks)
    result.figures["an event to the number on the page, p50"] = _ms(moved)
    result.figures["an event to the number on the page, slowest"] = Figure(max(moved), "ms")
    result.figures["scripts over the wire"] = Figure(heaviest / 1000, "kB")
    result.goals["first paint, slowest, ms"] = Goal(REACH_PAINT_MS, slowest < REACH_PAINT_MS)
    result.goals["an event to the number on the page, slowest, ms"] = Goal(REACH_MOVED_MS, max(moved) < REACH_MOVED_MS)
    result.goals["scripts over the wire, kB"] = Goal(REACH_SCRIPT / 1000, heaviest < REACH_SCRIPT)
    return result


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield launched
        launched.close()


def look(launched: Browser, address: str, drawn: str) -> Seen:
    """With nothing kept of a look before."""
    # Waiting evaluates its condition in the page, which the page's own policy refuses.
    context = launched.new_context(bypass_csp=True)
    tab = context.new_page()
    tab.goto(address, wait_until="commit")
    tab.wait_for_function(drawn)
    at = float(tab.evaluate("performance.now()"))
    tab.wait_for_function(PAINTED)
    seen = Seen(float(tab.evaluate(PAINTED)), at, float(tab.evaluate(WEIGHT)))
    context.close()
    return seen


def _looks(launched: Browser, address: str, drawn: str) -> list[Seen]:
    look(launched, address, drawn)  # what the API reads once
    return [look(launched, address, drawn) for _ in range(TIMES)]


def _floor(launched: Browser) -> list[Seen]:
    port = free_port()
    with serving.running("floor", ["benchmarks.floor", str(port)]) as child:
        assert wait_until(lambda: accepts(LOOPBACK, port), child, 10), child.tail()
        return _looks(launched, f"http://{LOOPBACK}:{port}/", "document.body")


def _moves(launched: Browser, stack: Stack) -> list[float]:
    """Milliseconds from publishing an activation to the number on the open page of its regency, one after the other."""
    context = launched.new_context(bypass_csp=True)
    tab = context.new_page()
    tab.goto(stack.settings.api_address + PAGES["regency"])
    tab.wait_for_function(DRAWN)
    answer = httpx.get(f"{stack.settings.api_address}/v1/coverage/61.01").raise_for_status().json()
    before = answer["numerator"]["value"]
    times, rests = [], random.Random(1)
    with Publisher(stack.settings.kafka_bootstrap) as publisher:
        for active in range(before + 1, before + 1 + TIMES):
            time.sleep(0.5 + rests.random())  # not in step with anything that happens every second
            began = time.monotonic()
            publisher.publish(activation(VILLAGE, time.time_ns() // 1_000_000))
            tab.wait_for_function(SHOWS, arg=f"{active:,} aktif".replace(",", "."))
            times.append((time.monotonic() - began) * 1000)
    context.close()
    return times


def _villages(result: Result, address: str) -> None:
    """The ranking of all villages: made anew, for a day that nobody asked for, and page after page."""
    with httpx.Client(base_url=address, timeout=60) as client:

        def ask(day: str, offset: int) -> Callable[[], object]:
            return lambda: client.get(f"{VILLAGES}&as_of={day}&offset={offset}").raise_for_status()

        days = [f"2024-06-{day:02}" for day in range(1, 11)]
        made = [timed(ask(day, 0))[0] * 1000 for day in days]
        began = time.perf_counter()
        kept = [timed(ask(days[-1], offset))[0] * 1000 for offset in range(0, 83_762, 1000)]
        result.figures["ranking of 83,762 villages, made anew, p50"] = _ms(made)
        result.figures["a page of 100 of it, p50"] = _ms(kept)
        result.figures["84 pages one after the other"] = Figure(time.perf_counter() - began, "s")


def _ms(times: list[float]) -> Figure:
    return Figure(median(times), "ms")
