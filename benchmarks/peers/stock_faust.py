"""Faust as it comes: an agent that gets its records one by one and takes them in batches."""

from __future__ import annotations

import asyncio

import faust

from benchmarks.peers.job import BATCH, INSERT_SECONDS, Job, Outcome, Tables, Writer, decode, main


def work(job: Job, outcome: Outcome) -> None:
    """Run a worker until its agent has everything."""
    app = faust.App(
        job.group,
        broker=f"kafka://{job.bootstrap}",
        store="memory://",
        value_serializer="raw",
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        reply_create_topic=False,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=BATCH,
        stream_buffer_maxsize=BATCH,
        datadir=f"{job.folder}/{job.database}-faust",
    )
    writer = Writer(Tables(job))
    over = asyncio.Event()

    @app.agent(app.topic(job.topic))  # type: ignore[untyped-decorator]
    async def take(stream: faust.StreamT[bytes]) -> None:
        left = job.events
        async for records in stream.take(BATCH, within=INSERT_SECONDS):
            outcome.begin()
            rows = [decode(record) for record in records]
            await asyncio.to_thread(writer.write, rows)
            left -= len(rows)
            if not left:
                await asyncio.to_thread(writer.close)
                outcome.end()
                over.set()

    asyncio.run(_until(app, over))


async def _until(app: faust.App, over: asyncio.Event) -> None:
    await app.start()
    await over.wait()
    await app.stop()


if __name__ == "__main__":
    main(work, "faust-streaming", "aiokafka", "fastavro")
