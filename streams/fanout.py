"""The fan-out: events of the log, byte for byte, into the topics of the provinces that subscribe.

At least once: a batch is passed on, every delivery is confirmed, only then is its place in the log committed. A crash
anywhere repeats some and loses none; `event_id` tells the repeated ones. Each partition goes to the partition with the
same number, so what has one key stays in order.

Which provinces the committed place holds for is committed with it. A province that is not among them, since its topics
were made later, is passed its events from the beginning of the log, by a reader of its own that joins the main one
where they meet: nobody else waits for it. Its place is kept nowhere: killed meanwhile, it begins again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from events import regions
from events.errors import PublishError
from events.kafka import asking, away, plain_consumer
from events.provinces import name_of
from events.publisher import AGAIN, Publisher
from streams.metrics import FANOUT
from streams.routing import SOURCES, Passed, Record, route

log = logging.getLogger(__name__)

BATCH_RECORDS = 10_000
LOOK_SECONDS = 30.0  # between two looks at which topics there are
IDLE_SECONDS = 2.0  # between two looks at where an idle log ends
FETCH_BYTES = 1 << 16
WAIT_SECONDS = 0.1  # in which a batch fills up: so long an event waits at most
TIMEOUT = 30.0
AWAY_SECONDS = 2.0
CLOCKS_DIFFER_MS = 60_000  # a record that the broker has stamped may take so long to be seen

COMING = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)

Place = tuple[str, int]  # topic, partition
Topics = Mapping[str, Any]  # by name, what the broker says of them


@dataclass
class Lane:
    """A reader of the log for some provinces: up to `next` they have what is theirs."""

    consumer: Consumer
    provinces: frozenset[int]
    next: dict[Place, int] = field(default_factory=dict)

    def assign(self, places: Iterable[Place]) -> None:
        """Read these from where it stands, new ones from the beginning."""
        self.next = {place: self.next.get(place, 0) for place in places}
        self.consumer.assign([TopicPartition(*place, offset) for place, offset in sorted(self.next.items())])


class Fanout:
    """One fan-out. Methods raise PublishError where Kafka is away; then close it and begin with a new one."""

    def __init__(self, bootstrap: str, group: str, look: float = LOOK_SECONDS) -> None:
        """`group`: under which the place in the log is committed. `look`: seconds between two looks at the topics."""
        self._bootstrap = bootstrap
        self._group = group
        self._look = look
        self._publisher = Publisher(bootstrap, timeout=TIMEOUT, **AGAIN)
        self._main = Lane(self._new_consumer(), frozenset())
        self._lanes: list[Lane] = []
        self._look_due = 0.0
        self._idle_due = 0.0
        self._reached: dict[Place, int] = {}
        self._left_out: frozenset[int] = frozenset()

    @property
    def provinces(self) -> frozenset[int]:
        """Those that have all that is theirs up to the place committed."""
        return self._main.provinces

    @property
    def catching_up(self) -> frozenset[int]:
        """Those that are still passed what was before them."""
        return frozenset[int]().union(*(lane.provinces for lane in self._lanes))

    def reached(self, topic: str) -> int:
        """Epoch milliseconds: all that arrived in a topic before is passed on. 0: not known yet."""
        places = [place for place in self._main.next if place[0] == topic]
        return min((self._reached.get(place, 0) for place in places), default=0)

    def start(self) -> None:
        """Take up where the last one stopped."""
        with asking(self._bootstrap):
            places = _source_places(self._topics())
            committed = self._committed(places)
        kept = {(each.topic, each.partition): each for each in committed if each.offset >= 0}
        said = {each.metadata or "" for each in kept.values()}
        # Only what every partition's place holds for; where one has none yet, it is read from the beginning anyway.
        holds_for = [frozenset(int(part) for part in text.split(",") if part) for text in said]
        self._main.provinces = frozenset.intersection(*holds_for) if holds_for else frozenset()
        if self._main.provinces:
            self._main.next = {place: each.offset for place, each in kept.items()}
        self._main.assign(places)
        self.look()

    def look(self) -> None:
        """At which topics there are: provinces that came begin, those that went end."""
        self._look_due = time.monotonic() + self._look
        with asking(self._bootstrap):
            known = self._topics()
        places, there = _source_places(known), self._subscribers(known)
        if places != sorted(self._main.next):
            for lane in (self._main, *self._lanes):
                lane.assign(places)
        gone = self.provinces - there
        for lane in [each for each in self._lanes if not each.provinces <= there]:
            self._end(lane)
        if gone:
            log.info("no longer passed on to: %s", _named(gone))
            self._main.provinces -= gone
            self._commit()
        if not self.provinces:  # nobody holds a place that others could join at
            for lane in list(self._lanes):
                self._end(lane)
        if new := there - self.provinces - self.catching_up:
            log.info("passed on from the beginning to: %s", _named(new))
            self._begin(new)

    def step(self) -> int:
        """Pass on what has come; returns how many records were read. Waits a moment if there is none."""
        if time.monotonic() >= self._look_due:
            self.look()
        if not self.provinces:
            time.sleep(WAIT_SECONDS)
            return 0
        with asking(self._bootstrap):
            read = self._pass_on(self._main, WAIT_SECONDS if not self._lanes else 0.01)
            if read:
                self._commit()
            for lane in list(self._lanes):
                read += self._catch_up(lane)
            if time.monotonic() >= self._idle_due:
                self._look_at_ends()
        return read

    def close(self) -> None:
        """Let go of the broker. What was handed over and is not confirmed may come again."""
        for lane in (self._main, *self._lanes):
            lane.consumer.close()
        self._publisher.discard()

    def _begin(self, new: frozenset[int]) -> None:
        if not self.provinces:  # nobody else waits: the main reader begins anew
            self._main.provinces, self._main.next = new, dict.fromkeys(self._main.next, 0)
            self._main.assign(self._main.next)
            self._reached.clear()
            self._commit()
            return
        lane = Lane(self._new_consumer(), new)
        lane.assign(self._main.next)
        self._lanes.append(lane)

    def _catch_up(self, lane: Lane) -> int:
        """A step of a province that came later; it joins the others where it has caught up with them."""
        read = self._pass_on(lane, WAIT_SECONDS, self._main.next)
        if all(lane.next[place] >= end for place, end in self._main.next.items()):
            log.info("caught up: %s", _named(lane.provinces))
            self._main.provinces |= lane.provinces
            self._commit()
            self._end(lane)
        return read

    def _end(self, lane: Lane) -> None:
        self._lanes.remove(lane)
        lane.consumer.close()

    def _pass_on(self, lane: Lane, wait: float, ends: Mapping[Place, int] | None = None) -> int:
        """A batch: read, pass on, wait until all of it is confirmed. `ends`: read up to there."""
        batch = self._read(lane, wait, ends)
        for topic in SOURCES:
            records = [each for place, some in batch.items() if place[0] == topic for each in some]
            for passed in route(topic, records, lane.provinces) if records else ():
                self._hand_over(passed)
        self._publisher.flush()
        for place, records in batch.items():
            lane.next[place] = records[-1].offset + 1
            if lane is self._main:
                self._reached[place] = max(records[-1].arrived_ms, self._reached.get(place, 0))
                FANOUT.position.labels(*place).set(lane.next[place])
        return sum(map(len, batch.values()))

    def _read(self, lane: Lane, wait: float, ends: Mapping[Place, int] | None) -> dict[Place, list[Record]]:
        batch: dict[Place, list[Record]] = defaultdict(list)
        beyond: dict[Place, int] = {}
        for message in lane.consumer.consume(BATCH_RECORDS, timeout=wait):
            if (error := message.error()) is not None:
                raise away(self._bootstrap, error.str())
            place, offset = (message.topic(), message.partition()), message.offset()
            if ends is not None and offset >= ends[place]:
                beyond.setdefault(place, offset)
            elif offset >= lane.next[place]:  # what was fetched before an assignment may come once more
                batch[place].append(Record(place[1], offset, message.key(), message.value(), message.timestamp()[1]))
        for place, offset in beyond.items():  # the main reader has yet to come there
            lane.consumer.seek(TopicPartition(*place, offset))
        return batch

    def _hand_over(self, passed: Passed) -> None:
        self._publisher.send(passed.topic, passed.key, passed.value, partition=passed.partition, headers=passed.headers)
        FANOUT.events.labels(passed.topic).inc()

    def _commit(self) -> None:
        holds_for = ",".join(map(str, sorted(self._main.provinces)))
        places = [TopicPartition(*place, offset, holds_for) for place, offset in sorted(self._main.next.items())]
        with asking(self._bootstrap):
            self._main.consumer.commit(offsets=places, asynchronous=False)

    def _committed(self, places: Iterable[Place]) -> list[TopicPartition]:
        """What the group has committed; a broker that has just begun needs a moment to know."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                asked = [TopicPartition(*place) for place in places]
                found: list[TopicPartition] = self._main.consumer.committed(asked, timeout=TIMEOUT)
                return found
            except KafkaException as error:
                if error.args[0].code() not in COMING or time.monotonic() > deadline:
                    raise
            time.sleep(WAIT_SECONDS)

    def _look_at_ends(self) -> None:
        """Where the log ends: an idle log is passed on up to now, and the rest is lag."""
        self._idle_due = time.monotonic() + IDLE_SECONDS
        seen_ms = time.time_ns() // 1_000_000
        # One question for all: one at a time, each waits for the fetch that is on its way.
        asked = [TopicPartition(*place, OFFSET_END) for place in self._main.next]
        for found in self._main.consumer.offsets_for_times(asked, timeout=TIMEOUT):
            if found.error is not None:
                raise KafkaException(found.error)
            place, end = (found.topic, found.partition), found.offset
            at = self._main.next[place]
            FANOUT.lag.labels(*place).set(max(end - at, 0))
            if at >= end:
                self._reached[place] = max(seen_ms - CLOCKS_DIFFER_MS, self._reached.get(place, 0))
        FANOUT.provinces.set(len(self.provinces))
        FANOUT.catching_up.set(len(self.catching_up))

    def _topics(self) -> Topics:
        found: Topics = self._main.consumer.list_topics(timeout=TIMEOUT).topics
        return found

    def _subscribers(self, known: Topics) -> frozenset[int]:
        """Provinces with topics on the broker that can take what is theirs."""
        everyone = (each.number for each in regions.children()[regions.NATION])
        there = {each for each in everyone if all(name_of(topic, each) in known for topic in SOURCES)}
        few = [(known[name_of(topic, each)], known[topic], each) for topic in SOURCES for each in there]
        short = {each for own, source, each in few if len(own.partitions) < len(source.partitions)}
        if short - self._left_out:
            log.error("not passed on to %s: a topic has fewer partitions than its source", _named(short))
        self._left_out = frozenset(short)
        return frozenset(there - short)

    def _new_consumer(self) -> Consumer:
        # A fetch for each few records that come keeps the broker busier than all else: more come together in 50 ms.
        settings = {"queued.max.messages.kbytes": 16_384, "fetch.wait.max.ms": 50, "fetch.min.bytes": FETCH_BYTES}
        return plain_consumer(self._bootstrap, self._group, **settings)


@dataclass
class Progress:
    """How far a fan-out has come, for others who look on: its provinces, and by topic up to when all is passed on."""

    provinces: frozenset[int] = frozenset()
    reached: dict[str, int] = field(default_factory=dict)

    def note(self, fanout: Fanout) -> None:
        # Provinces last: whoever reads them first never sees a time that does not hold for them.
        reached = {topic: fanout.reached(topic) for topic in SOURCES}
        self.reached, self.provinces = reached, fanout.provinces


def run(make: Callable[[], Fanout], progress: Progress, ended: threading.Event) -> None:
    """Pass on until `ended`. Where Kafka is away, or did not take all, begin again from what was committed."""
    while not ended.is_set():
        fanout = make()
        try:
            fanout.start()
            while not ended.is_set():
                fanout.step()
                progress.note(fanout)
        except PublishError as error:
            FANOUT.retries.labels("fan-out").inc()
            log.warning("%s; again in %.0f s", error, AWAY_SECONDS)
            ended.wait(AWAY_SECONDS)
        finally:
            fanout.close()


def _source_places(known: Topics) -> list[Place]:
    if missing := [topic for topic in SOURCES if topic not in known]:
        raise PublishError(f"there is no topic {', '.join(missing)}: run cakupan topics apply")
    return sorted((topic, partition) for topic in SOURCES for partition in known[topic].partitions)


def _named(provinces: Iterable[int]) -> str:
    return ", ".join(regions.format_code(each) for each in sorted(provinces))
