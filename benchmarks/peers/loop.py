"""A plain loop: confluent-kafka in batches, fastavro, clickhouse-driver. The usual way without a framework, tuned."""

from __future__ import annotations

import functools

from confluent_kafka import Consumer, TopicPartition

from benchmarks.peers.job import BATCH, CONSUMER, Job, Outcome, Row, Tables, Writer, decode, main


def work(job: Job, outcome: Outcome) -> None:
    """Read and decode here, insert and recompute beside it, commit what the buckets hold."""
    consumer = Consumer(
        {**CONSUMER, "bootstrap.servers": job.bootstrap, "group.id": job.group, "enable.auto.commit": False}
    )
    consumer.subscribe([job.topic])
    writer = Writer(Tables(job))
    left = job.events
    rows: list[Row] = []
    ends: dict[int, int] = {}
    while left:
        messages = consumer.consume(BATCH, 0.1)
        if messages:
            outcome.begin()
        rows += [decode(message.value()) for message in messages]
        ends.update((message.partition(), message.offset() + 1) for message in messages)
        left -= len(messages)
        if len(rows) >= BATCH or (rows and not left):
            offsets = [TopicPartition(job.topic, partition, end) for partition, end in ends.items()]
            writer.write(rows, functools.partial(consumer.commit, offsets=offsets, asynchronous=True))
            rows = []
    writer.close()
    outcome.end()
    consumer.close()


if __name__ == "__main__":
    main(work, "confluent-kafka", "fastavro", "clickhouse-driver")
