"""What the proof costs: the worker with and without an auditor beside it, turn by turn on the same log."""

from __future__ import annotations

import statistics
import time

from benchmarks.bed import Bed, Run, bed, check, cpu_seconds, take_in, turn
from benchmarks.log import nation_log
from benchmarks.result import Figure, Goal, Result
from benchmarks.serving import running
from cakupan import wiring
from cakupan.settings import Settings
from projections import answers, integrity

TURNS = 3
REACH = 0.03  # of the worker's time
PATIENCE = 600.0


def run(events: int) -> Result:
    """Take in `events` events, alone and with `cakupan audit` beside, three times each; then let it check the rest."""
    result = Result("integrity", f"make bench NAME=integrity EVENTS={events}")
    log = nation_log(events)
    alone, beside, shares, checked = [], [], [], []
    with bed(log) as here:
        here.load(log.events)
        for _ in range(TURNS):
            alone.append(turn(here).rate)
            took, share, rest = _turn_beside(here)
            beside.append(took.rate)
            shares.append(share)
            checked.append(rest)
    without, with_it = statistics.median(alone), statistics.median(beside)
    cost = 1 - with_it / without
    result.figures["worker alone"] = Figure(without, "events/s")
    result.figures["worker with an auditor beside"] = Figure(with_it, "events/s")
    result.figures["auditor's CPU while the worker is behind, of one core"] = Figure(statistics.median(shares), "share")
    result.figures["checked once the worker has caught up"] = Figure(statistics.median(checked), "events/s")
    result.ratios["with an auditor to alone"] = with_it / without
    result.goals["cost of the worker's time, at most"] = Goal(REACH, cost <= REACH)
    return result


def _turn_beside(here: Bed) -> tuple[Run, float, float]:
    """What the worker took, the auditor's CPU a second meanwhile, and events it checked a second afterwards."""
    settings = here.new_settings()
    with running("audit", ["cakupan", "audit"], settings) as auditor:
        began, before = time.monotonic(), cpu_seconds(auditor.pid)
        took = take_in(here, settings)
        share = (cpu_seconds(auditor.pid) - before) / (time.monotonic() - began)
        check(settings, here.log.truth(here.log.events))
        done, at = _proved(settings), time.monotonic()
        rest = here.log.events - done
        while _proved(settings) < here.log.events:
            if not auditor.running or time.monotonic() - at > PATIENCE:
                raise RuntimeError(f"not all is proved: {auditor.tail(5)}")
            time.sleep(0.1)
        speed = rest / (time.monotonic() - at)
    different = integrity.open_differences(wiring.database(settings))
    assert not different, different
    here.drop(settings)
    return took, share, speed


def _proved(settings: Settings) -> int:
    return sum(each.next for each in answers.log_place(wiring.database(settings)).verified)
