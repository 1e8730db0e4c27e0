"""Bytewax: a dataflow from its Kafka source, a batch at a time, to a sink of ours."""

from __future__ import annotations

from bytewax import operators as op  # type: ignore[import-not-found]
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage  # type: ignore[import-not-found]
from bytewax.dataflow import Dataflow  # type: ignore[import-not-found]
from bytewax.outputs import DynamicSink, StatelessSinkPartition  # type: ignore[import-not-found]
from bytewax.testing import run_main  # type: ignore[import-not-found]

from benchmarks.peers.job import BATCH, CONSUMER, Job, Outcome, Row, Tables, Writer, decode, main


class Partition(StatelessSinkPartition):  # type: ignore[misc]
    """Collects what comes, and hands it on by size."""

    def __init__(self, writer: Writer, outcome: Outcome) -> None:
        self._writer = writer
        self._outcome = outcome
        self._rows: list[Row] = []

    def write_batch(self, items: list[Row]) -> None:
        """Some rows."""
        self._rows += items
        if len(self._rows) >= BATCH:
            self._write()

    def close(self) -> None:
        """The dataflow is over: the source has come to the end of every partition."""
        self._write()
        self._writer.close()
        self._outcome.end()

    def _write(self) -> None:
        self._writer.write(self._rows)
        self._rows = []


class Sink(DynamicSink):  # type: ignore[misc]
    """One partition a worker, of which there is one."""

    def __init__(self, job: Job, outcome: Outcome) -> None:
        self._job = job
        self._outcome = outcome

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> Partition:
        """Connect."""
        return Partition(Writer(Tables(self._job)), self._outcome)


def work(job: Job, outcome: Outcome) -> None:
    """Run the dataflow to the end of the topic."""

    def rows(messages: list[KafkaSourceMessage]) -> list[Row]:
        if messages:
            outcome.begin()
        return [decode(message.value) for message in messages]

    config = {name: str(value) for name, value in CONSUMER.items()}
    flow = Dataflow("ingest")
    source = KafkaSource([job.bootstrap], [job.topic], tail=False, add_config=config, batch_size=BATCH)
    read = op.input("read", flow, source)
    op.output("write", op.flat_map_batch("decode", read, rows), Sink(job, outcome))
    run_main(flow)


if __name__ == "__main__":
    main(work, "bytewax", "confluent-kafka", "fastavro")
