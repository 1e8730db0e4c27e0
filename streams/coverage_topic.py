"""Answers that changed, on ikd.coverage.v1 and the provinces' own: one event a region, at most every second.

The topic is its own memory: what stands there last for a region is read at the start, and only another answer is
published. So nothing is repeated and nothing is left out, whatever was missed meanwhile: at the start, at the turn of a
day and after a rebuild every region is looked at, and else those that recomputes have touched.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException

from events import codec, identity, jsonform, regions
from events.catalogue import ACTIVATION, COVERAGE, TOPICS
from events.errors import PublishError
from events.provinces import name_of
from events.publisher import AGAIN, Publisher
from projections import answers, blocks, coverage, facts
from projections.clickhouse import Database
from projections.coverage import BASES, NO_TARGET, Share, Standing, Standings
from projections.errors import DatabaseError
from streams.log_reader import LogReader
from streams.metrics import FANOUT
from streams.resting import with_rests
from streams.routing import CONTENT_TYPE, SPECVERSION, Headers

log = logging.getLogger(__name__)

TYPE = "CoverageChanged"
SOURCE = "cakupan"
PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
AWAY_SECONDS = 2.0
LOOK_SECONDS = 30.0  # between two looks at which topics there are
HEARD_SECONDS = 60.0  # between two looks at whom sources speak for
SHARE = 0.03  # of a core, at most: under load a second's worth of regions is many
SLICE = 50_000
SHORT_WAIT = 0.05
TIMEOUT = 30.0


def _today() -> dt.date:
    return dt.datetime.now(jsonform.WIB).date()


@dataclass
class _Read:
    """What was read of the tables to compare with, and when to read it again."""

    reference: Hashable = None
    mark: str = ""
    newest: int = 0
    day: dt.date = dt.date.min
    look_due: float = 0.0
    heard_due: float = 0.0


class Answers:
    """One publisher. Methods raise PublishError and DatabaseError; then close it and begin with a new one."""

    def __init__(self, bootstrap: str, database: Database, today: Callable[[], dt.date] = _today) -> None:
        """`today`: the day in western Indonesia."""
        self._bootstrap = bootstrap
        self._today = today
        self._database = database
        self._reader = LogReader(bootstrap, "cakupan-answers", SHORT_WAIT)
        self._publisher = Publisher(bootstrap, timeout=TIMEOUT, **AGAIN)
        self._last: dict[str, dict[int, Standing]] = {}
        self._standings = Standings(facts.References((), ()), dt.date.min)
        self._counts = coverage.Counts(database)
        self._read = _Read()

    def tick(self) -> int:
        """Publish what has changed; returns how many events were sent."""
        # The mark first: where tables change places after it, the next tick finds another one, and reads every region.
        mark = coverage.mark(self._database)
        tables = blocks.read(self._database, *facts.OF_REFERENCES, coverage.TABLE)
        position = answers.log_place(self._database)  # before the numbers: they hold at least that much
        new_topics = self._look()
        changed = self._changed(mark, tables)
        for region in new_topics:  # a province's topic begins with all that stands
            changed.setdefault(region, self._last[COVERAGE][region].active)
        sent = self._publish(changed, position)
        FANOUT.answers.inc(sent)
        return sent

    def close(self) -> None:
        """Let go of the broker."""
        self._reader.close()
        self._publisher.discard()

    def _changed(self, mark: str, tables: blocks.Tables) -> dict[int, int]:
        """Active people in the regions whose answer may be another one. `tables`: what they consisted of before."""
        now, today = time.monotonic(), self._today()
        reference, newest = tables.mark(facts.OF_REFERENCES), tables[coverage.TABLE].newest
        again, known = self._read, self._last[COVERAGE]
        out: dict[int, int] = {}
        if (reference, today) != (again.reference, again.day):
            self._standings = Standings(facts.references(self._database), today)
            out |= {region: standing.active for region, standing in known.items()}
        if (mark, today) != (again.mark, again.day):
            out |= self._counts.everywhere(today, tables[coverage.TABLE])
        elif newest != again.newest:
            out |= self._counts.written(again.newest, tables[coverage.TABLE])
        if now >= again.heard_due:
            among = with_rests(regions.by_number())
            out |= dict.fromkeys(coverage.heard_of(self._database, known.keys() | out.keys(), among), 0)
            again.heard_due = now + HEARD_SECONDS
        again.reference, again.mark, again.newest, again.day = reference, mark, newest, today
        return out

    def _publish(self, changed: Mapping[int, int], position: answers.LogPlace) -> int:
        """`changed`: active people by region."""
        places = _by_partition(position)
        sent: list[tuple[str, int, Standing]] = []
        for region, active in with_rests(changed.items()):
            standing = self._standings.of(region, active)
            topics = [each for each in self._topics_of(region) if self._last[each].get(region) != standing]
            if not topics:
                continue
            values = _event(region, standing, self._read.day, places)
            raw, headers = codec.encode(TYPE, values), _headers(values)
            for topic in topics:
                self._publisher.send(topic, str(region).encode(), raw, headers=headers)
                sent.append((topic, region, standing))
        self._publisher.flush()
        for topic, region, standing in sent:
            self._last[topic][region] = standing
        return len(sent)

    def _topics_of(self, region: int) -> Iterator[str]:
        yield COVERAGE
        if region != regions.NATION:
            own = name_of(COVERAGE, regions.province_of(region))
            if own in self._last:
                yield own

    def _look(self) -> list[int]:
        """Which topics there are, now and then; returns the regions of those that are new."""
        if time.monotonic() < self._read.look_due:
            return []
        known = self._reader.topics()
        if COVERAGE not in known:
            raise PublishError(f"there is no topic {COVERAGE}: run cakupan topics apply")
        own = {name_of(COVERAGE, each.number): each.number for each in regions.children()[regions.NATION]}
        self._last = {topic: last for topic, last in self._last.items() if topic in known}
        new = [topic for topic in (COVERAGE, *own) if topic in known and topic not in self._last]
        for topic in new:
            self._last[topic] = dict(self._read_last(topic))
        self._read.look_due = time.monotonic() + LOOK_SECONDS
        provinces = {own[topic] for topic in new if topic != COVERAGE}
        return [each for each in self._last[COVERAGE] if regions.province_of(each) in provinces]

    def _read_last(self, topic: str) -> Iterator[tuple[int, Standing]]:
        for messages in self._reader.whole(topic, SLICE):
            frames = codec.decode_batch(
                COVERAGE, [each.value() for each in messages], [each.timestamp()[1] for each in messages]
            ).frames
            if TYPE in frames:
                yield from ((row["region"], _standing(row)) for row in frames[TYPE].iter_rows(named=True))


def run(bootstrap: str, database: Database, ended: threading.Event) -> None:
    """Publish until `ended`. Where a part is away, begin again from what the topics hold."""
    while not ended.is_set():
        publisher, pause = Answers(bootstrap, database), PAUSE_SECONDS
        try:
            publisher.tick()  # it looks at every region, which is no measure of the next ones
            while not ended.wait(pause):
                began = time.thread_time()  # not what it waited: on a busy machine everybody goes before it
                publisher.tick()
                pause = min(max(PAUSE_SECONDS, (time.thread_time() - began) / SHARE), LONGEST_PAUSE_SECONDS)
        except (PublishError, DatabaseError, KafkaException) as error:
            FANOUT.retries.labels("answers").inc()
            log.warning("%s; again in %.0f s", error, AWAY_SECONDS)
            ended.wait(AWAY_SECONDS)
        finally:
            with contextlib.suppress(KafkaException):
                publisher.close()


def _by_partition(position: answers.LogPlace) -> list[int]:
    """The next offset of every partition; 0 where the worker has not spoken of it yet."""
    taken = answers.next_offsets(position.taken)
    return [taken.get((ACTIVATION, each), 0) for each in range(TOPICS[ACTIVATION].partitions)]


def _event(region: int, standing: Standing, day: dt.date, position: Iterable[int]) -> codec.Values:
    now_ms = time.time_ns() // 1_000_000
    counts: dict[str, int | None] = {}
    for basis, count in zip(BASES, standing.counts, strict=True):
        counts[basis], counts[f"{basis}_on"] = count or (None, None)
    target = standing.target
    return {
        "event_id": identity.new_event_id(now_ms),
        "occurred_at": now_ms,
        "recorded_at": now_ms,
        "source": SOURCE,
        "service_region": regions.NATION,
        "region": region,
        "as_of": (day - jsonform.EPOCH).days,
        "position": list(position),
        "numerator": standing.active,
        **counts,
        "target_basis": target.basis if target else NO_TARGET,
        "target_numerator": target.numerator if target else None,
        "target_denominator": target.denominator if target else None,
        "target_region": target.region if target else None,
    }


def _standing(values: Mapping[str, Any]) -> Standing:
    """The inverse: what an event says stands."""
    counts = tuple(None if values[each] is None else (values[each], values[f"{each}_on"]) for each in BASES)
    target = None
    if values["target_basis"] != NO_TARGET:
        target = Share(*(values[f"target_{each}"] for each in ("basis", "numerator", "denominator", "region")))
    return Standing(values["numerator"], counts, target)


def _headers(values: Mapping[str, Any]) -> Headers:
    return [
        SPECVERSION,
        ("ce_id", identity.as_text(values["event_id"]).encode()),
        ("ce_type", TYPE.encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_time", jsonform.iso_ms(values["occurred_at"]).encode()),
        ("ce_subject", regions.format_code(values["region"]).encode()),
        CONTENT_TYPE,
    ]
