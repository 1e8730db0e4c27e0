"""FastStream on confluent-kafka: a subscriber that gets its records in batches."""

from __future__ import annotations

import asyncio
import logging

from faststream import AckPolicy, FastStream  # type: ignore[import-not-found]
from faststream.confluent import KafkaBroker, KafkaMessage  # type: ignore[import-not-found]

from benchmarks.peers.job import BATCH, CONSUMER, Job, Outcome, Tables, Writer, decode, main


def work(job: Job, outcome: Outcome) -> None:
    """Run the application until its subscriber has everything."""
    writer = Writer(Tables(job))
    # Without the check of every record against the annotations of the function.
    broker = KafkaBroker(job.bootstrap, config=CONSUMER, logger=None, apply_types=False)
    app = FastStream(broker)
    left = job.events

    @broker.subscriber(  # type: ignore[untyped-decorator]
        job.topic,
        group_id=job.group,
        auto_offset_reset="earliest",
        batch=True,
        max_records=BATCH,
        ack_policy=AckPolicy.ACK_FIRST,
        decoder=raw,
    )
    async def take(records: list[bytes]) -> None:
        nonlocal left
        outcome.begin()
        rows = [decode(record) for record in records]
        await asyncio.to_thread(writer.write, rows)
        left -= len(rows)
        if not left:
            await asyncio.to_thread(writer.close)
            outcome.end()
            app.exit()

    asyncio.run(app.run(log_level=logging.WARNING))


async def raw(message: KafkaMessage) -> list[bytes]:
    """The records as they are."""
    return [record.value() for record in message.raw_message]


if __name__ == "__main__":
    main(work, "faststream", "confluent-kafka", "fastavro")
