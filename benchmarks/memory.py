"""What the worker holds in memory while it works off a backlog, however long that is."""

from __future__ import annotations

from benchmarks.bed import bed, check, take_in
from benchmarks.log import nation_log
from benchmarks.result import Figure, Goal, Result

REACH_MIB = 500.0


def run(events: int) -> Result:
    """Let one worker take in a backlog of `events` events, and watch its resident memory from start to end."""
    result = Result("memory", f"make bench NAME=memory EVENTS={events}")
    log = nation_log(events)
    with bed(log) as here:
        here.load(log.events)
        settings = here.new_settings()
        took = take_in(here, settings)
        check(settings, log.truth(log.events))
    result.figures["backlog"] = Figure(log.events, "events")
    result.figures["worker, resident, most"] = Figure(took.peak_mib, "MiB")
    result.figures["worker"] = Figure(took.rate, "events/s")
    result.goals["worker, resident, MiB at most"] = Goal(REACH_MIB, took.peak_mib <= REACH_MIB)
    return result
