"""Consume and drop: what no reader of the log can be faster than."""

from __future__ import annotations

from confluent_kafka import Consumer

from benchmarks.peers.job import BATCH, CONSUMER, Job, Outcome, main


def work(job: Job, outcome: Outcome) -> None:
    """Read, and do nothing with it."""
    consumer = Consumer({**CONSUMER, "bootstrap.servers": job.bootstrap, "group.id": job.group})
    consumer.subscribe([job.topic])
    left = job.events
    while left:
        messages = consumer.consume(BATCH, 0.1)
        if messages:
            outcome.begin()
        left -= len([message.value() for message in messages])
    outcome.end()
    consumer.close()


if __name__ == "__main__":
    main(work, "confluent-kafka")
