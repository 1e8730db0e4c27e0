"""The batch transport on a real broker: what is acknowledged, committed, redelivered, bounded and refused."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from cakupan.embedded.kafka import KafkaNode
from streams.batch import Batch
from streams.ledger import Partition
from streams.transport import TransportSettings, WorkerApp, acknowledge, create_app
from tests.conftest import free_port

PATIENCE = 60.0
SMALL = TransportSettings(max_records=10, session_timeout=6.0, heartbeat_interval=0.3, stop_grace=1.0, end_interval=0.3)


# -- Kafka, seen by somebody else


def admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap})


def new_topic(bootstrap: str, partitions: int = 1, **config: str) -> str:
    name = f"events-{uuid.uuid4().hex[:8]}"
    create(bootstrap, name, partitions, **config)
    return name


def create(bootstrap: str, name: str, partitions: int, **config: str) -> None:
    client = admin(bootstrap)
    for future in client.create_topics([NewTopic(name, partitions, 1, config=config)]).values():
        future.result()
    until(lambda: len(metadata(bootstrap).get(name, ())) == partitions)


def metadata(bootstrap: str) -> dict[str, Any]:
    return {name: topic.partitions for name, topic in admin(bootstrap).list_topics(timeout=10).topics.items()}


def publish(bootstrap: str, topic: str, values: Iterable[str], partitions: int = 1, codec: str = "none") -> None:
    # Lingers, so that a topic of thousands has record batches of hundreds.
    settings = {"enable.idempotence": True, "compression.type": codec, "linger.ms": 50}
    producer = Producer({"bootstrap.servers": bootstrap, **settings})
    for number, value in enumerate(values):
        producer.produce(topic, value.encode(), partition=number % partitions)
    assert producer.flush(60) == 0


def committed(bootstrap: str, topic: str, group: str, partitions: int = 1) -> list[int | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        offsets = consumer.committed([TopicPartition(topic, number) for number in range(partitions)], timeout=10)
        return [item.offset if item.offset >= 0 else None for item in offsets]
    finally:
        consumer.close()


def until(condition: Callable[[], Any], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


async def eventually(condition: Callable[[], Any], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.05)


# -- A worker in this process


class Worker:
    """An app whose one agent puts its events aside; acknowledges them if told to."""

    def __init__(
        self, kafka: KafkaNode, topic: str, group: str, settings: TransportSettings = SMALL, **agent: Any
    ) -> None:
        self.events: list[Any] = []
        self.acknowledging = False
        self.gaps: list[tuple[Partition, int, int]] = []
        self.app = create_app(
            group, brokers=[kafka.bootstrap], settings=settings, on_gap=lambda *gap: self.gaps.append(gap)
        )
        self.app.agent(self.app.topic(*topic.split(",")), **agent)(self._agent)

    async def _agent(self, stream: Any) -> None:
        async for event in stream.noack().events():
            self.events.append(event)
            if self.acknowledging:
                acknowledge(event)

    @property
    def batches(self) -> list[Batch]:
        return [event.value for event in self.events]

    @property
    def values(self) -> list[str]:
        return [value.decode() for batch in self.batches for value in batch.values if value is not None]

    def has_events(self) -> bool:
        return bool(self.events)

    def acknowledge_all(self) -> None:
        self.acknowledging = True
        for event in list(self.events):
            acknowledge(event)


@contextlib.asynccontextmanager
async def running(*workers: Worker) -> AsyncIterator[None]:
    for worker in workers:
        await worker.app.start()
    try:
        yield
    finally:
        for worker in workers:
            await worker.app.stop()
            assert worker.app.crash_reason is None


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


def group() -> str:
    return f"group-{uuid.uuid4().hex[:8]}"


def numbers(count: int, start: int = 0) -> list[str]:
    return [f"{number:06d}" for number in range(start, start + count)]


# -- Batches


@pytest.mark.parametrize("codec", ["none", "lz4", "zstd", "snappy", "gzip"])
def test_every_record_arrives_once_in_bounded_batches(kafka: KafkaNode, codec: str) -> None:
    topic = new_topic(kafka.bootstrap, 3)
    publish(kafka.bootstrap, topic, numbers(9000), 3, codec)

    async def scenario() -> None:
        settings = TransportSettings(max_records=700, max_batch_bytes=3000)
        worker = Worker(kafka, topic, group(), settings)
        worker.acknowledging = True
        async with running(worker):
            await eventually(lambda: len(worker.values) >= 9000)
        assert sorted(worker.values) == numbers(9000)
        assert worker.gaps == []
        assert max(batch.size for batch in worker.batches) <= 3000
        assert max(batch.count for batch in worker.batches) == 500
        for batch in worker.batches:
            offsets = [record.offset for record in batch.records]
            assert offsets == list(range(batch.first_offset, batch.last_offset + 1))
            assert batch.size == sum(len(value or b"") for value in batch.values)

    run(scenario())


def test_a_batch_has_at_most_the_bound_of_records(kafka: KafkaNode) -> None:
    topic = new_topic(kafka.bootstrap)
    publish(kafka.bootstrap, topic, numbers(1000), codec="lz4")

    async def scenario() -> None:
        worker = Worker(kafka, topic, group(), TransportSettings(max_records=64))
        worker.acknowledging = True
        async with running(worker):
            await eventually(lambda: len(worker.values) == 1000)
        assert {batch.count for batch in worker.batches[:-1]} == {64}

    run(scenario())


def test_partitions_take_turns(kafka: KafkaNode) -> None:
    topic = new_topic(kafka.bootstrap, 4)
    publish(kafka.bootstrap, topic, numbers(4000), 4)

    async def scenario() -> None:
        # Room for one batch at a time: the next is another partition's.
        worker = Worker(kafka, topic, group(), TransportSettings(max_records=100, max_inflight_bytes=1))
        worker.acknowledging = True
        async with running(worker):
            await eventually(lambda: len(worker.values) == 4000)
        seen = Counter[int]()
        for batch in worker.batches:
            seen[batch.partition] += 1
            # Each had a turn before any has had many more.
            assert max(seen.values()) - min(seen[number] for number in range(4)) <= 3

    run(scenario())


def test_a_tombstone_is_a_value_of_none_and_keys_and_headers_are_kept(kafka: KafkaNode) -> None:
    topic = new_topic(kafka.bootstrap)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(topic, value=None, key=b"subject", headers=[("source", b"office")], timestamp=1_700_000_000_000)
    producer.flush()

    async def scenario() -> None:
        worker = Worker(kafka, topic, group())
        async with running(worker):
            await eventually(lambda: worker.events)
        (batch,) = worker.batches
        assert batch.values == [None]
        record = batch.records[0]
        assert (record.key, list(record.headers)) == (b"subject", [("source", b"office")])
        assert record.timestamp == 1_700_000_000_000
        assert batch.high_watermark == 1

    run(scenario())


# -- Acknowledging and committing


def test_commits_follow_acknowledgements_in_order_whatever_their_order(kafka: KafkaNode) -> None:
    topic, members = new_topic(kafka.bootstrap), group()
    publish(kafka.bootstrap, topic, numbers(50))

    async def scenario() -> None:
        worker = Worker(kafka, topic, members)
        async with running(worker):
            await eventually(lambda: len(worker.values) == 50)
            first, second, third, fourth, _ = worker.events
            assert acknowledge(third)
            assert acknowledge(second)
            # Long enough for several rounds of commits, each of which would be wrong.
            await asyncio.sleep(1.0)
            assert committed(kafka.bootstrap, topic, members) == [None]
            assert acknowledge(first)
            await eventually(lambda: committed(kafka.bootstrap, topic, members) == [30])
            assert acknowledge(fourth)
            await eventually(lambda: committed(kafka.bootstrap, topic, members) == [40])
        # The fifth is in nobody's hands any more: stopping does not commit it.
        assert committed(kafka.bootstrap, topic, members) == [40]

    run(scenario())


def test_an_event_may_be_acknowledged_from_another_thread(kafka: KafkaNode) -> None:
    topic, members = new_topic(kafka.bootstrap), group()
    publish(kafka.bootstrap, topic, numbers(20))

    async def scenario() -> None:
        worker = Worker(kafka, topic, members)
        async with running(worker):
            await eventually(lambda: len(worker.values) == 20)
            await asyncio.to_thread(worker.acknowledge_all)
            await eventually(lambda: committed(kafka.bootstrap, topic, members) == [20])

    run(scenario())


def test_what_was_acknowledged_just_before_a_stop_is_committed(kafka: KafkaNode) -> None:
    topic, members = new_topic(kafka.bootstrap), group()
    publish(kafka.bootstrap, topic, numbers(30))

    async def scenario() -> None:
        settings = TransportSettings(max_records=10, commit_interval=600)
        worker = Worker(kafka, topic, members, settings)
        async with running(worker):
            await eventually(lambda: len(worker.values) == 30)
            worker.acknowledge_all()
        assert committed(kafka.bootstrap, topic, members) == [30]

    run(scenario())


def test_actors_of_one_agent_share_the_work(kafka: KafkaNode) -> None:
    topic, members = new_topic(kafka.bootstrap, 2), group()
    publish(kafka.bootstrap, topic, numbers(400), 2)

    async def scenario() -> None:
        worker = Worker(kafka, topic, members, concurrency=3)
        worker.acknowledging = True
        async with running(worker):
            await eventually(lambda: committed(kafka.bootstrap, topic, members, 2) == [200, 200])
        assert sorted(worker.values) == numbers(400)

    run(scenario())


def test_one_agent_reads_several_topics(kafka: KafkaNode) -> None:
    topics, members = [new_topic(kafka.bootstrap), new_topic(kafka.bootstrap, 2)], group()
    publish(kafka.bootstrap, topics[0], numbers(30))
    publish(kafka.bootstrap, topics[1], numbers(40), 2)

    async def scenario() -> None:
        worker = Worker(kafka, ",".join(topics), members)
        worker.acknowledging = True
        async with running(worker):
            await eventually(lambda: committed(kafka.bootstrap, topics[0], members) == [30])
            await eventually(lambda: committed(kafka.bootstrap, topics[1], members, 2) == [20, 20])
        assert {batch.topic for batch in worker.batches} == set(topics)

    run(scenario())


# -- Starting places


def test_a_new_group_starts_from_the_earliest_and_the_next_worker_goes_on(kafka: KafkaNode) -> None:
    topic, members = new_topic(kafka.bootstrap), group()
    publish(kafka.bootstrap, topic, numbers(20))

    async def scenario() -> None:
        before = set(metadata(kafka.bootstrap))
        worker = Worker(kafka, topic, members)
        worker.acknowledging = True
        async with running(worker):
            await eventually(lambda: len(worker.values) == 20)
        publish(kafka.bootstrap, topic, numbers(20, 20))
        successor = Worker(kafka, topic, members)
        async with running(successor):
            await eventually(lambda: len(successor.values) == 20)
        assert successor.values == numbers(20, 20)
        # Not a changelog, a leader's or a reply topic among them.
        assert set(metadata(kafka.bootstrap)) - before <= {"__consumer_offsets"}

    run(scenario())


def test_unacknowledged_batches_of_a_new_group_are_delivered_again(kafka: KafkaNode) -> None:
    topic, members = new_topic(kafka.bootstrap), group()
    publish(kafka.bootstrap, topic, numbers(20))

    async def scenario() -> None:
        await read_all_without_acknowledging()
        await read_all_without_acknowledging()

    async def read_all_without_acknowledging() -> None:
        worker = Worker(kafka, topic, members)
        async with running(worker):
            await eventually(lambda: len(worker.values) == 20)
        assert worker.values == numbers(20)

    run(scenario())


def test_a_seek_of_a_group_without_commits_goes_back_to_the_start(kafka: KafkaNode) -> None:
    """aiokafka's seek to what is committed leaves such a partition behind the records that nobody acknowledged."""
    topic, members = new_topic(kafka.bootstrap), group()
    publish(kafka.bootstrap, topic, numbers(20))

    async def scenario() -> None:
        worker = Worker(kafka, topic, members)
        async with running(worker):
            await eventually(lambda: len(worker.values) == 20)
            stale = worker.events[0]
            worker.app.consumer.stop_flow()
            await worker.app.consumer.perform_seek()
            worker.app.consumer.resume_flow()
            await eventually(lambda: len(worker.values) == 40)
            assert not acknowledge(stale)
        assert worker.values == numbers(20) * 2
        assert worker.gaps == []

    run(scenario())


def test_an_offset_committed_beyond_the_end_does_not_hide_records(kafka: KafkaNode) -> None:
    """A topic made anew: Faust drops, in silence, what lies before an offset it holds for read."""
    topic, members = new_topic(kafka.bootstrap), group()
    publish(kafka.bootstrap, topic, numbers(30))
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": members})
    consumer.commit(offsets=[TopicPartition(topic, 0, 1000)], asynchronous=False)
    consumer.close()

    async def scenario() -> None:
        worker = Worker(kafka, topic, members)
        worker.acknowledging = True
        async with running(worker):
            await eventually(lambda: len(worker.values) == 30)
            await eventually(lambda: committed(kafka.bootstrap, topic, members) == [30])
        assert worker.gaps[0] == (Partition(topic, 0), 1000, 0)

    run(scenario())


# -- Holes


def test_what_a_transaction_aborted_never_arrives_and_its_markers_are_no_trouble(kafka: KafkaNode) -> None:
    topic, members = new_topic(kafka.bootstrap), group()
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": members})
    producer.init_transactions()
    for number in range(6):
        producer.begin_transaction()
        producer.produce(topic, f"{number}".encode())
        producer.flush()
        if number % 2:
            producer.abort_transaction()
        else:
            producer.commit_transaction()

    async def scenario() -> None:
        worker = Worker(kafka, topic, members)
        worker.acknowledging = True
        async with running(worker):
            await eventually(lambda: len(worker.values) == 3)
            # The last record is at 8; behind it are its marker, an aborted record and the marker of that.
            await eventually(lambda: committed(kafka.bootstrap, topic, members) == [12])
            await eventually(lambda: worker.app.progress()[0].lag == 0)
            assert worker.app.progress()[0].starved_for == 0
        assert worker.values == ["0", "2", "4"]
        assert worker.app.ledger.gaps == len(worker.gaps) > 0

    run(scenario())


def test_records_deleted_under_the_group_are_a_gap_that_is_told(kafka: KafkaNode) -> None:
    topic, members = new_topic(kafka.bootstrap), group()
    publish(kafka.bootstrap, topic, numbers(40))

    async def scenario() -> None:
        worker = Worker(kafka, topic, members)
        async with running(worker):
            await eventually(lambda: len(worker.values) == 40)
            acknowledge(worker.events[0])
            await eventually(lambda: committed(kafka.bootstrap, topic, members) == [10])
        client = admin(kafka.bootstrap)
        for future in client.delete_records([TopicPartition(topic, 0, 25)]).values():
            future.result()
        successor = Worker(kafka, topic, members)
        async with running(successor):
            await eventually(lambda: len(successor.values) == 15)
        assert successor.gaps == [(Partition(topic, 0), 10, 25)]
        assert successor.app.progress()[0].gaps == 1 or successor.app.progress() == []

    run(scenario())


# -- Memory


def test_a_backlog_never_takes_more_memory_than_allowed(kafka: KafkaNode) -> None:
    topic, members = new_topic(kafka.bootstrap, 3), group()
    publish(kafka.bootstrap, topic, numbers(6000), 3, "lz4")
    limit = 200_000

    async def scenario() -> None:
        worker = Worker(kafka, topic, members, TransportSettings(max_records=50, max_inflight_bytes=limit))
        async with running(worker):
            ledger = worker.app.ledger
            await eventually(lambda: ledger.memory >= limit)
            held = len(worker.events)
            # Nobody acknowledges: more time brings no more batches.
            await asyncio.sleep(1.5)
            assert len(worker.events) == held
            largest = max(batch.memory for batch in worker.batches)
            assert limit <= ledger.memory < limit + largest
            progress = worker.app.progress()
            assert all(partition.unacknowledged_for > 1 for partition in progress if partition.in_flight)
            assert sum(partition.in_flight for partition in progress) == held
            acknowledge(worker.events[0])
            await eventually(lambda: len(worker.events) > held)
            worker.acknowledge_all()
            await eventually(lambda: len(worker.values) == 6000)
            await eventually(lambda: committed(kafka.bootstrap, topic, members, 3) == [2000] * 3)
            assert ledger.memory == 0
        assert sorted(worker.values) == numbers(6000)

    run(scenario())


# -- Rebalances


def test_revoked_batches_neither_block_nor_commit_and_are_read_by_their_new_owner(kafka: KafkaNode) -> None:
    topic, members = new_topic(kafka.bootstrap, 2), group()
    publish(kafka.bootstrap, topic, numbers(80), 2)

    async def scenario() -> None:
        # It commits only when it has to: at the revocation.
        first = Worker(kafka, topic, members, replace(SMALL, commit_interval=600))
        second = Worker(kafka, topic, members)
        async with running(first):
            await eventually(lambda: len(first.values) == 80)
            held = list(first.events)
            by_partition = {number: [e for e in held if e.value.partition == number] for number in range(2)}
            # One of each partition is done, acknowledged and not yet committed when the other worker comes.
            for events in by_partition.values():
                acknowledge(events[0])
            async with running(second):
                await eventually(lambda: len(second.values) >= 30)
                await eventually(lambda: len(first.values) >= 80 + 30)
                assert [acknowledge(event) for event in held if not event.message.acked] == [False] * 6
                await asyncio.sleep(1.0)
                assert committed(kafka.bootstrap, topic, members, 2) == [10, 10]
                assert {len(worker.app.progress()) for worker in (first, second)} == {1}
                assert min(batch.first_offset for batch in second.batches) == 10
                second.acknowledge_all()
                first.acknowledge_all()
                await first.app.consumer.commit()
                await eventually(lambda: committed(kafka.bootstrap, topic, members, 2) == [40, 40])
        assert first.gaps == second.gaps == []

    run(scenario())


def test_a_worker_knows_which_part_of_a_topic_it_has(kafka: KafkaNode) -> None:
    topic, members = new_topic(kafka.bootstrap, 4), group()
    publish(kafka.bootstrap, topic, numbers(40), 4)

    async def scenario() -> None:
        first, second = Worker(kafka, topic, members), Worker(kafka, topic, members)
        assert first.app.part_of(topic) == 1
        async with running(first):
            await eventually(first.has_events)
            assert first.app.part_of(topic) == 1
            async with running(second):
                await eventually(lambda: {worker.app.part_of(topic) for worker in (first, second)} == {0.5})
            await eventually(lambda: first.app.part_of(topic) == 1)

    run(scenario())


def test_workers_that_join_and_leave_skip_nothing(kafka: KafkaNode) -> None:
    topic, members, gone = new_topic(kafka.bootstrap, 4), group(), threading.Event()

    def keep_publishing() -> int:
        """Until all guests have come and gone; returns how many."""
        producer, total = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True}), 0
        while not gone.wait(0.1):
            for value in numbers(52, total):
                producer.produce(topic, value.encode(), partition=int(value) % 4)
            producer.flush()
            total += 52
        return total

    async def scenario() -> None:
        publisher = asyncio.create_task(asyncio.to_thread(keep_publishing))
        stays = Worker(kafka, topic, members)
        stays.acknowledging = True
        guests = []
        async with running(stays):
            try:
                for _ in range(3):
                    guest = Worker(kafka, topic, members)
                    guest.acknowledging = True
                    guests.append(guest)
                    async with running(guest):
                        await eventually(guest.has_events)
                        await asyncio.sleep(0.5)
            finally:
                gone.set()  # else its thread would hold up the end
            total = await publisher
            await eventually(lambda: committed(kafka.bootstrap, topic, members, 4) == [total // 4] * 4)
            assert all(partition.lag in (0, None) for partition in stays.app.progress())
        seen = {value for worker in (stays, *guests) for value in worker.values}
        assert sorted(seen) == numbers(total)
        assert [worker.gaps for worker in (stays, *guests) if worker.gaps] == []

    run(scenario())


# -- Worker processes


class Process:
    """A worker of test_transport_program in a child process."""

    def __init__(self, bootstrap: str, topic: str, members: str, folder: Path, behaviour: str) -> None:
        self.output = folder / f"{uuid.uuid4().hex[:8]}.txt"
        self.log = self.output.with_suffix(".log")
        command = [sys.executable, "-m", "tests.test_transport_program"]
        with self.log.open("w") as log:
            self.child = subprocess.Popen(
                [*command, bootstrap, topic, members, str(self.output), behaviour], stderr=log, stdout=log
            )

    @property
    def ready(self) -> bool:
        return self.output.with_suffix(".ready").exists()

    @property
    def records(self) -> list[tuple[int, int, str]]:
        """(partition, offset, value) of what was written; a line that a kill cut short is left out."""
        text = self.output.read_text() if self.output.exists() else ""
        lines = [line.split(" ") for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [(int(partition), int(offset), value.strip()) for partition, offset, value in lines]

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_for(self, records: int) -> None:
        until(lambda: len(self.records) >= records)

    def wait(self) -> int:
        return self.child.wait(PATIENCE)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.child.send_signal(number)
        return self.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts worker processes, and ends those that the test left."""
    started: list[Process] = []

    def begin(bootstrap: str, topic: str, members: str, behaviour: str) -> Process:
        started.append(Process(bootstrap, topic, members, tmp_path, behaviour))
        return started[-1]

    yield begin
    for process in started:
        if process.child.poll() is None:
            process.child.kill()
            process.wait()


Start = Callable[..., Process]


def test_killed_at_any_moment_it_loses_nothing(kafka: KafkaNode, start: Start) -> None:
    topic, members, total = new_topic(kafka.bootstrap, 2), group(), 20_000
    publish(kafka.bootstrap, topic, numbers(total), 2, "zstd")

    def done() -> int:
        return sum(offset or 0 for offset in committed(kafka.bootstrap, topic, members, 2))

    def moved_on(before: int) -> bool:
        return done() > before + 1000

    processes: list[Process] = []
    for _ in range(2):
        before = done()
        processes.append(start(kafka.bootstrap, topic, members, "in_any_order"))
        until(partial(moved_on, before))
        processes[-1].stop(signal.SIGKILL)
    processes.append(start(kafka.bootstrap, topic, members, "in_any_order"))
    until(lambda: done() == total)
    assert processes[-1].stop() == 0
    seen = {value for process in processes for _, _, value in process.records}
    assert sorted(seen) == numbers(total)
    # Each went on from what was committed, and did not begin anew.
    assert min(offset for _, offset, _ in processes[-1].records) > 0


def test_stopped_by_a_signal_it_commits_what_it_wrote(kafka: KafkaNode, start: Start) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        topic, members = new_topic(kafka.bootstrap), group()
        publish(kafka.bootstrap, topic, numbers(5000))
        process = start(kafka.bootstrap, topic, members, "one_by_one")
        process.wait_for(100)
        assert process.stop(number) == 0
        assert committed(kafka.bootstrap, topic, members) == [len(process.records)]
        assert f"{number.name}: stopping" in process.said
        assert "Traceback" not in process.said


@pytest.mark.parametrize(
    ("behaviour", "code", "message", "offset"),
    [
        ("failing", 1, "the second batch is beyond me", 50),
        ("deciding", 3, "stopped: dead-letter ratio exceeded", None),
        ("deciding_in_a_task", 3, "stopped: dead-letter ratio exceeded", None),
        ("panicking", 1, "the decoder panicked", None),
        ("returning", 1, "ended: it returned", None),
        ("plain", 1, "use stream.noack().events() and event.ack()", None),
        ("taking", 1, "take() acknowledges what failed", None),
    ],
)
def test_an_agent_that_fails_stops_the_worker_and_commits_nothing_of_it(
    kafka: KafkaNode, start: Start, behaviour: str, code: int, message: str, offset: int | None
) -> None:
    topic, members = new_topic(kafka.bootstrap), group()
    publish(kafka.bootstrap, topic, numbers(500))
    process = start(kafka.bootstrap, topic, members, behaviour)
    assert process.wait() == code
    # One line says it all, and nothing but it is said of the failure.
    assert len([line for line in process.said.splitlines() if message in line]) == 1
    assert "\nTraceback" not in process.said
    assert committed(kafka.bootstrap, topic, members) == [offset]


def test_a_batch_that_is_never_acknowledged_does_not_hold_up_a_stop(kafka: KafkaNode, start: Start) -> None:
    topic, members = new_topic(kafka.bootstrap), group()
    publish(kafka.bootstrap, topic, numbers(500))
    process = start(kafka.bootstrap, topic, members, "holding")
    until(lambda: process.ready)
    assert process.stop() == 0
    assert committed(kafka.bootstrap, topic, members) == [None]


# -- Kafka away


@pytest.fixture
def other_kafka(tmp_path: Path) -> Iterator[KafkaNode]:
    """A broker of the test's own, not started, to be taken away."""
    node = KafkaNode(tmp_path / "kafka", port=free_port(), controller_port=free_port())
    yield node
    node.stop()


def up(node: KafkaNode) -> None:
    node.start()
    node.wait_ready()


def test_it_waits_for_kafka_and_for_its_topic_survives_an_outage_and_stops_in_one(
    other_kafka: KafkaNode, start: Start
) -> None:
    topic, members = f"events-{uuid.uuid4().hex[:8]}", group()
    process = start(other_kafka.bootstrap, topic, members, "in_any_order")
    until(lambda: f"Kafka at {other_kafka.bootstrap} does not answer" in process.said)
    up(other_kafka)
    until(lambda: f"Kafka at {other_kafka.bootstrap} has no topic {topic}" in process.said)
    create(other_kafka.bootstrap, topic, 2)
    until(lambda: process.ready)
    publish(other_kafka.bootstrap, topic, numbers(1000), 2)
    until(lambda: len(process.records) >= 1000)

    publish(other_kafka.bootstrap, topic, numbers(1000, 1000), 2)
    other_kafka.stop()
    time.sleep(8)  # longer than the group keeps a silent member
    assert process.child.poll() is None
    up(other_kafka)
    publish(other_kafka.bootstrap, topic, numbers(1000, 2000), 2)
    until(lambda: committed(other_kafka.bootstrap, topic, members, 2) == [1500, 1500], 120)
    assert sorted({value for _, _, value in process.records}) == numbers(3000)

    # It stops while Kafka is away, too.
    other_kafka.stop()
    assert process.stop() == 0
    assert "Traceback" not in process.said


def test_it_stops_while_it_waits_for_kafka(start: Start) -> None:
    waiting = start(f"127.0.0.1:{free_port()}", "events", group(), "one_by_one")
    until(lambda: "does not answer" in waiting.said)
    assert waiting.stop() == 0


# -- Watching from outside


def test_progress_tells_of_a_worker_that_stands_still(kafka: KafkaNode) -> None:
    topic, members = new_topic(kafka.bootstrap), group()
    publish(kafka.bootstrap, topic, numbers(30))

    async def scenario() -> None:
        worker = Worker(kafka, topic, members)
        async with running(worker):
            await eventually(lambda: len(worker.values) == 30)
            acknowledge(worker.events[0])
            await eventually(lambda: worker.app.progress()[0].committed == 10)
            (now,) = worker.app.progress()
            assert (now.position, now.acknowledged, now.in_flight, now.high_watermark) == (30, 10, 2, 30)
            assert now.lag == 20
            assert now.committed_at is not None
            assert abs(now.committed_at - time.time()) < PATIENCE
            await eventually(lambda: worker.app.progress()[0].unacknowledged_for > 0.5)
            # A fetcher that stalls in silence: the end is asked for apart from it.
            worker.app.consumer.stop_flow()
            publish(kafka.bootstrap, topic, numbers(7))
            await eventually(lambda: worker.app.progress()[0].high_watermark == 37)
            await eventually(lambda: worker.app.progress()[0].starved_for > 0.5)
            worker.app.consumer.resume_flow()
            await eventually(lambda: len(worker.values) == 37)
            worker.acknowledge_all()
            await eventually(lambda: worker.app.progress()[0].lag == 0)
            assert worker.app.progress()[0].unacknowledged_for == 0

    run(scenario())


def test_a_long_wait_without_room_does_not_cost_the_membership(kafka: KafkaNode) -> None:
    """aiokafka lets a member that has not polled for long rejoin after its next poll, Faust polls after rejoining."""
    topic, members = new_topic(kafka.bootstrap), group()
    publish(kafka.bootstrap, topic, numbers(500))

    async def scenario() -> None:
        worker = Worker(kafka, topic, members, TransportSettings(max_records=50, max_inflight_bytes=20_000))
        async with running(worker):
            await eventually(lambda: worker.app.ledger.memory >= 20_000)
            assert worker.app.consumer._thread._consumer._max_poll_interval_ms > 24 * 3600 * 1000
            guest = Worker(kafka, topic, members)
            async with running(guest):
                await asyncio.sleep(2)
            worker.acknowledge_all()
            await eventually(lambda: committed(kafka.bootstrap, topic, members) == [500])

    run(scenario())


def test_progress_can_be_read_from_any_thread_before_and_after_the_worker(kafka: KafkaNode) -> None:
    app: WorkerApp = create_app(group(), brokers=[kafka.bootstrap])
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(app.progress()))
    thread.start()
    thread.join()
    assert seen == [[]]
