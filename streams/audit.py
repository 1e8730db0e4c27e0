"""The auditor: reads the log again, by other code than the worker's, and compares it with the tables while they live.

Slice by slice behind the worker: each record must be in every table that answers are computed from, or in the dead
letters; then the sets of events of the regions and days that the slice named must be the same on both sides. A sweep
goes over all regions and days, so that what is damaged later is found too. It takes a fixed share of the time at most,
and does not hold the worker up: it has a process, a consumer and connections of its own.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from events import outline
from events.catalogue import DEAD_LETTER
from events.errors import PublishError
from events.regions import format_code
from projections import answers, blocks, catalogue, erasure, integrity, position
from projections.clickhouse import Database
from projections.errors import DatabaseError
from projections.integrity import BY_PERSON, HELD, MISSING, TOPICS, Audited, Difference, Pair, Place, Slice, Sum
from streams.log_reader import LogReader

log = logging.getLogger(__name__)

SLICE_RECORDS = 100_000
MOST_MARKS = 1_000  # kept while the auditor is behind
MOST_PAIRS = 2_000  # beyond it, naming them costs more than the sweep
PART_EVENTS = 4_000_000  # a step of the sweep looks at so many events, about
SHARE_CAUGHT_UP = 0.25  # of the time, for new slices while the worker is not behind
REST_STEP = 1.0  # seconds; in a pause that long it asks whether the worker is behind still
SWEEP_PAUSE = 5.0
SWEEP_STEP_SECONDS = 0.5
IDLE_PAUSE = 0.3
AWAY_PAUSE = 2.0
DESTROY_PAUSE = 600.0  # seconds between two looks whether erased rows have to leave the disk
TOLD = 20  # differences named in the log of one round

Heads = dict[Place, int]

_UNREAD = Audited(0, 0, 0, 0, dt.datetime.fromtimestamp(0, dt.UTC))


@dataclass
class Round:
    """What one round did. `seconds` it took, the sweep left out; `caught_up`: all that the answers hold was checked.
    `worker_behind`: the log held more than the answers. `swept`: the sweep came to its end."""

    records: int = 0
    seconds: float = 0.0
    caught_up: bool = False
    worker_behind: bool = False
    swept: bool = False
    found: list[Difference] = field(default_factory=list)
    mended: list[Difference] = field(default_factory=list)


@dataclass(frozen=True)
class Mark:
    """When the log's partitions ended at `heads`, no block of a table behind `block` was there: what lies behind those
    is in later ones. By partition of a topic."""

    heads: Mapping[int, int]
    block: int


class Auditor:
    """One auditor of one database. Methods raise PublishError, DatabaseError; a round can be repeated at any time."""

    def __init__(self, database: Database, reader: LogReader, share: float = 0.03) -> None:
        """`share` of the time that it takes at most, while the worker is behind and for the sweep."""
        self._database = database
        self._reader = reader
        self._share = share
        self._places: dict[Place, Audited] = {}
        self._open: dict[Difference, dt.datetime] = {}
        self._suspects: dict[Difference, Heads] = {}
        self._marks: dict[str, deque[Mark]] = {table: deque(maxlen=MOST_MARKS) for table in BY_PERSON}
        self._steps: deque[tuple[str, str, int, int]] = deque()
        self._sweep_due = 0.0
        self._destroy_due = 0.0
        self._in_answers = 0

    def start(self) -> None:
        """Take up where the last auditor stopped."""
        integrity.forget_slices(self._database)
        self._places = integrity.audited(self._database)
        self._open = integrity.open_differences(self._database)

    def round(self) -> Round:
        """Check the next slice, look again at what was found, and go a step on with the sweep if it is due."""
        began = time.monotonic()
        taken = answers.log_place(self._database).taken
        ends = answers.next_offsets(each for each in taken if each.topic in TOPICS)
        self._in_answers = sum(ends.values())
        ranges = self._next(ends)
        done = Round(records=sum(end - first for first, end in ranges.values()))
        checked = self._check(ranges, ends, done)
        self._look_again(done)
        done.caught_up = all(self._position(place) >= end for place, end in ends.items())
        done.seconds = time.monotonic() - began
        done.swept = done.caught_up and self._sweep(done)
        if checked or done.swept or done.found or done.mended:
            self._prove()
        done.worker_behind = _behind(taken)
        if not done.worker_behind:
            self._destroy()
        return done

    def settle(self, on_progress: Callable[[int, int], None] = lambda *_: None) -> None:
        """Rounds without a pause until all that the answers hold is checked, the sweep too, and no suspect is left.

        `on_progress(checked, in_answers)` counts records.
        """
        swept = False
        while not swept or self._suspects:
            self._sweep_due = 0.0
            done = self.round()
            swept |= done.swept
            there = sum(each.position for each in self._places.values())
            on_progress(there, max(there, self._in_answers))

    def pause(self, done: Round) -> float:
        """Seconds to wait after a round, so that the share of the time is kept."""
        share = self._share if done.worker_behind else SHARE_CAUGHT_UP
        return max(done.seconds * (1 / share - 1) if done.records else 0.0, IDLE_PAUSE)

    def worker_behind(self) -> bool:
        """Whether the log holds more than the answers, as the worker said last."""
        return _behind(answers.log_place(self._database).taken)

    def _position(self, place: Place) -> int:
        return self._places[place].position if place in self._places else 0

    def _next(self, ends: Heads) -> dict[Place, tuple[int, int]]:
        ranges, left = {}, SLICE_RECORDS
        for place, end in sorted(ends.items()):
            first = self._position(place)
            if first < end and left:
                ranges[place] = first, min(end, first + left)
                left -= ranges[place][1] - first
        return ranges

    def _check(self, ranges: Mapping[Place, tuple[int, int]], ends: Heads, done: Round) -> bool:
        """True: the slice was checked. False: there was none, or letters about it are still on their way."""
        if not ranges:
            return False
        run, read = catalogue.new_run(), self._reader.read(ranges)
        moved: dict[Place, Audited] = {place: self._moved(place, end) for place, (_, end) in ranges.items()}
        try:
            for topic in TOPICS:
                part = _slice(topic, read)
                if not part.offsets:
                    continue
                integrity.note_slice(self._database, run, part)
                seen = self._seen(topic, {place[1]: first for place, (first, _) in ranges.items() if place[0] == topic})
                sums = self._check_slice(run, part, seen, done)
                if sums is None:
                    return False
                for partition, (events, refused) in sums.items():
                    place = topic, partition
                    moved[place] = self._moved(place, ranges[place][1], events, refused)
                if all(end == ends[place] for place, (_, end) in ranges.items() if place[0] == topic):
                    self._compare(topic, integrity.pairs_of(self._database, run, topic, MOST_PAIRS + 1), done)
        finally:
            integrity.forget_slice(self._database, run)
        integrity.write_audited(self._database, moved)
        self._places.update(moved)
        return True

    def _moved(self, place: Place, end: int, events: Sum = Sum(0, 0), refused: int = 0) -> Audited:
        before = self._places.get(place, _UNREAD)
        digest = (before.digest + events.digest) % 2**64
        return Audited(end, before.events + events.events, before.refused + refused, digest, _now())

    def _seen(self, topic: str, firsts: Mapping[int, int]) -> dict[str, int]:
        """By table that is kept by person: a block behind which all records of a topic from these offsets on are held.

        Found from marks of before, as far as there is one; and another mark is set, blocks first. So the people of a
        slice are looked for in what was written lately, not in all of a nation.
        """
        seen: dict[str, int] = {}
        for table in BY_PERSON.intersection(HELD[topic]):
            marks = self._marks[table]
            newest = blocks.read(self._database, table)[table].newest
            marks.append(Mark(self._reader.heads(topic), newest))
            while len(marks) > 1 and _behind_mark(firsts, marks[1]):
                marks.popleft()
            if _behind_mark(firsts, marks[0]):
                seen[table] = marks[0].block
        return seen

    def _check_slice(
        self, run: int, part: Slice, seen: Mapping[str, int], done: Round
    ) -> dict[int, tuple[Sum, int]] | None:
        """By partition: the events of the slice, and how many records are dead letters. None: look again later.

        `seen`: see `_seen`; what is not found behind it is looked for everywhere.
        """
        while True:
            refused = integrity.refused(self._database, run, part.topic)
            sums = _sums(part, refused)
            lost = [
                each
                for table in HELD[part.topic]
                if self._held(run, part, table, seen) != _events_only(sums)
                for each in integrity.lost(self._database, run, part.topic, table)
            ]
            if not lost:
                return sums
            if not self._letters_are_in():
                return None
            if integrity.refused(self._database, run, part.topic) == refused:
                self._note(lost, done)
                return sums

    def _held(self, run: int, part: Slice, table: str, seen: Mapping[str, int]) -> dict[int, Sum]:
        return integrity.held(self._database, run, part.topic, table, seen.get(table, integrity.EVERYWHERE))

    def _letters_are_in(self) -> bool:
        """Whether every letter sent by now is in the tables: a record refused a moment ago has its letter before."""
        heads = self._reader.heads(DEAD_LETTER)
        taken = answers.next_offsets(answers.log_place(self._database).taken)
        return all(taken.get((DEAD_LETTER, partition), 0) >= head for partition, head in heads.items())

    def _compare(self, topic: str, pairs: Sequence[Pair], done: Round) -> None:
        """The sets of events of these regions and days. Too many to name, and those of a table that would have to be
        read as a whole and is large, are left to the sweep.
        """
        if not pairs or len(pairs) > MOST_PAIRS:
            return
        for table in HELD[topic]:
            if table in BY_PERSON and integrity.rows_on_disk(self._database, table) > PART_EVENTS:
                continue
            self._examine(topic, table, integrity.differing(self._database, topic, table, pairs, MOST_PAIRS), done)

    def _examine(self, topic: str, table: str, pairs: Sequence[Pair], done: Round) -> None:
        """What is missing is so at once. What is too much may only be newer than what was read: it is looked at again
        when all has been read that the log holds now.
        """
        found = set(integrity.examine(self._database, topic, table, pairs)) - self._open.keys()
        missing = [each for each in found if each.kind == MISSING]
        if missing and self._letters_are_in():
            again = set(integrity.examine(self._database, topic, table, pairs))
            self._note([each for each in missing if each in again], done)
        too_much = [each for each in found if each.kind != MISSING and each not in self._suspects]
        if too_much:
            heads = {(topic, partition): head for partition, head in self._reader.heads(topic).items()}
            self._suspects |= dict.fromkeys(too_much[: integrity.MOST_LISTED], heads)

    def _look_again(self, done: Round) -> None:
        """At what is open, and at suspects that enough has been read for."""
        ripe = {each for each, heads in self._suspects.items() if all(self._position(p) >= h for p, h in heads.items())}
        still = integrity.still(self._database, ripe | self._open.keys())
        self._suspects = {each: heads for each, heads in self._suspects.items() if each not in ripe}
        self._note([each for each in ripe if each in still], done)
        done.mended = [each for each in self._open if each not in still]
        found_at = {each: self._open.pop(each) for each in done.mended}
        integrity.write_differences(self._database, found_at, still_open=False)

    def _sweep(self, done: Round) -> bool:
        """Go on with the sweep if it is due. True: it has come to its end."""
        began = time.monotonic()
        if began < self._sweep_due:
            return False
        if not self._steps:
            self._steps.extend(self._all_steps())
        while self._steps:
            topic, table, part, parts = self._steps.popleft()
            pairs = integrity.differing_in(self._database, topic, table, part, parts, MOST_PAIRS)
            self._examine(topic, table, pairs, done)
            if time.monotonic() - began > SWEEP_STEP_SECONDS:
                break
        took = time.monotonic() - began
        self._sweep_due = time.monotonic() + max(took * (1 / self._share - 1), SWEEP_PAUSE)
        return not self._steps

    def _all_steps(self) -> list[tuple[str, str, int, int]]:
        """Topic, table, part, parts: so many that one of log and table together is no long statement."""
        steps = []
        for topic, tables in HELD.items():
            events = sum(each.events for place, each in self._places.items() if place[0] == topic)
            for table in tables:
                parts = -(-max(events, integrity.rows_on_disk(self._database, table)) // PART_EVENTS)
                steps += [(topic, table, part, parts) for part in range(parts)]
        return steps

    def _destroy(self) -> None:
        if time.monotonic() >= self._destroy_due:
            self._destroy_due = time.monotonic() + DESTROY_PAUSE
            for table in erasure.destroy(self._database):
                log.info("what was erased in %s a day ago leaves the disk now", table)

    def _note(self, found: Sequence[Difference], done: Round) -> None:
        new = dict.fromkeys((each for each in found if each not in self._open), _now())
        integrity.write_differences(self._database, new, still_open=True)
        self._open |= new
        done.found += new

    def _prove(self) -> None:
        before = answers.next_offsets(answers.log_place(self._database).verified)
        position.write_verified(self._database, integrity.verified(self._places, self._open, before), _now())


def watch(auditor: Auditor, stop: Callable[[float], bool]) -> None:
    """Rounds until `stop(seconds)`, which waits for so long, says so. Kafka and ClickHouse are waited for."""
    started, away = False, False
    while True:
        try:
            if not started:
                auditor.start()
                started = True
            done, away = auditor.round(), False
            tell(done)
            ended = _rest(auditor, done, stop)
        except (PublishError, DatabaseError) as error:
            if not away:  # once an outage
                log.warning("waiting: %s", error)
            ended, away = stop(AWAY_PAUSE), True
        if ended:
            return


def _rest(auditor: Auditor, done: Round, stop: Callable[[float], bool]) -> bool:
    """Wait so long that the share is kept, and no longer once the worker has caught up. True: it is to stop."""
    waited = 0.0
    while (left := auditor.pause(done) - waited) > 0:
        step = min(left, REST_STEP)
        if stop(step):
            return True
        waited += step
        done.worker_behind = done.worker_behind and auditor.worker_behind()
    return False


def tell(done: Round) -> None:
    """Differences to the log: found ones as errors, with topic, partition, offset, region and day."""
    for each in done.found[:TOLD]:
        log.error("%s", describe(each))
    if len(done.found) > TOLD:
        log.error("and %d more differences; see /v1/integrity", len(done.found) - TOLD)
    if done.mended:
        log.warning("%d differences are mended", len(done.mended))


def describe(each: Difference) -> str:
    """A difference in one line."""
    where = f"{each.topic}, region {format_code(each.region)}, day {each.day.isoformat()}"
    if each.partition != integrity.NO_PLACE:
        where = f"{each.topic}/{each.partition} offset {each.offset}, region {format_code(each.region)}, day {each.day}"
    said = {
        MISSING: f"an event of the log is missing in {each.held_by}",
        integrity.UNEXPECTED: f"{each.held_by} holds an event that the log does not",
        integrity.DOUBLED: f"{each.held_by} holds two rows under one event id",
    }
    return f"{where}: {said[each.kind]}"


def _slice(topic: str, read: Mapping[Place, Sequence[Any]]) -> Slice:
    partitions: list[int] = []
    offsets: list[int] = []
    subjects: list[bytes] = []
    values: list[bytes | None] = []
    for (name, partition), messages in sorted(read.items()):
        if name == topic:
            partitions += [partition] * len(messages)
            offsets += [each.offset() for each in messages]
            subjects += [_subject(each.key()) for each in messages]
            values += [each.value() for each in messages]
    seen = outline.read(topic, values)
    return Slice(topic, partitions, offsets, seen.event_ids, subjects, seen.regions.tolist(), seen.days.tolist())


def _subject(key: bytes | None) -> bytes:
    return key if key is not None and len(key) == outline.ID_BYTES else outline.NOWHERE


def _sums(part: Slice, refused: set[tuple[int, int]]) -> dict[int, tuple[Sum, int]]:
    ids: dict[int, list[bytes]] = defaultdict(list)
    dead: dict[int, int] = defaultdict(int)
    for partition, offset, event_id in zip(part.partitions, part.offsets, part.event_ids, strict=True):
        if (partition, offset) in refused:
            dead[partition] += 1
        else:
            ids[partition].append(event_id)
    return {each: (Sum(len(ids[each]), outline.digest(ids[each])), dead[each]) for each in set(part.partitions)}


def _behind_mark(firsts: Mapping[int, int], mark: Mark) -> bool:
    return all(partition in mark.heads and mark.heads[partition] <= first for partition, first in firsts.items())


def _events_only(sums: Mapping[int, tuple[Sum, int]]) -> dict[int, Sum]:
    return {partition: events for partition, (events, _) in sums.items() if events.events}


def _behind(taken: Sequence[answers.Place]) -> bool:
    return any(not each.caught_up for each in taken)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
