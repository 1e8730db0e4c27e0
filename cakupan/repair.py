"""Mend what the auditor found, from the log, and nothing else.

What a table holds too much goes first, with what was computed from it; then the records of the regions and days that
differ are read from the log once more and go the worker's way in, which changes nothing where nothing was wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cakupan.loading import take_in
from projections import activation, catalogue, integrity
from projections.clickhouse import Database
from projections.integrity import MISSING, Difference, Pair
from streams.log_reader import LogReader

OnProgress = Callable[[int, int], None]


@dataclass
class Repaired:
    """What was done. `records` were read again, `removed` events taken out, `left` differ still."""

    records: int = 0
    removed: int = 0
    mended: list[Difference] = field(default_factory=list)
    left: list[Difference] = field(default_factory=list)


def repair(
    database: Database, reader: LogReader, asked: Sequence[Difference], on_progress: OnProgress = lambda *_: None
) -> Repaired:
    """Mend these differences. Raises PublishError, DatabaseError; it can be repeated."""
    outcome = Repaired()
    for topic in integrity.TOPICS:
        of_topic = [each for each in asked if each.topic == topic]
        if not of_topic:
            continue
        run = catalogue.new_run()
        surplus = {each.event_id for each in of_topic if each.kind != MISSING}
        if surplus:
            integrity.remove(database, topic, run, sorted(surplus))
            outcome.removed += len(surplus)
        pairs = sorted({Pair(each.region, each.day) for each in of_topic})
        outcome.records += _take_in_again(database, reader, topic, run, pairs, on_progress)
        if topic in catalogue.RECOMPUTED:
            activation.recompute(database, run)
        integrity.tidy(database, topic)
    still = integrity.still(database, asked)
    outcome.left = list(still)
    outcome.mended = [each for each in asked if each not in still]
    return outcome


def _take_in_again(
    database: Database, reader: LogReader, topic: str, run: int, pairs: Sequence[Pair], on_progress: OnProgress
) -> int:
    wanted = integrity.records_of(database, topic, pairs)
    total, done = sum(map(len, wanted.values())), 0
    for place, offsets in wanted.items():
        for messages in reader.records(place, offsets):
            take_in(database, topic, messages, run)
            done += len(messages)
            on_progress(done, total)
    return done
