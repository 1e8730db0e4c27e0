"""Quix Streams: a dataframe whose sink gets its rows at every checkpoint."""

from __future__ import annotations

from quixstreams import Application  # type: ignore[import-not-found]
from quixstreams.sinks import BatchingSink, SinkBatch  # type: ignore[import-not-found]

from benchmarks.peers.job import BATCH, CONSUMER, RECOMPUTE_SECONDS, Job, Outcome, Tables, decode, main


class Sink(BatchingSink):  # type: ignore[misc]
    """Rows into the tables. A checkpoint calls `write` for each partition, then this sink's `flush` ends."""

    def __init__(self, tables: Tables, outcome: Outcome) -> None:
        super().__init__()
        self._tables = tables
        self._outcome = outcome

    def write(self, batch: SinkBatch) -> None:
        """The rows of one partition."""
        for items in batch.iter_chunks(BATCH):
            self._tables.insert([item.value for item in items])

    def flush(self) -> None:
        """A checkpoint: its offsets are committed when this returns."""
        super().flush()
        if self._tables.touched:
            self._tables.recompute()
            self._outcome.end()


def work(job: Job, outcome: Outcome) -> None:
    """Run the application until it has everything; its end is a checkpoint too."""
    app = Application(
        job.bootstrap,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        commit_interval=RECOMPUTE_SECONDS,
        consumer_extra_config=CONSUMER,
        auto_create_topics=False,
        state_dir=f"{job.folder}/{job.database}-quix",
        loglevel="WARNING",
    )

    def row(record: bytes) -> dict[str, object]:
        outcome.begin()
        return decode(record)

    topic = app.topic(job.topic, key_deserializer="bytes", value_deserializer="bytes")
    app.dataframe(topic).apply(row).sink(Sink(Tables(job), outcome))
    app.run(count=job.events, collect=False)


if __name__ == "__main__":
    main(work, "quixstreams", "confluent-kafka", "fastavro")
