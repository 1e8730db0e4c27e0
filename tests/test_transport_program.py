"""The worker that test_transport.py runs as a child process, to be killed, starved and stopped. Not a test itself.

usage: python -m tests.test_transport_program BOOTSTRAP TOPIC GROUP OUTPUT BEHAVIOUR

OUTPUT gets a line "partition offset value" for each record before its batch is acknowledged.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path
from typing import Any

from streams.runner import StopWorker, run_worker
from streams.transport import TransportSettings, WorkerApp, acknowledge, create_app


class Disaster(BaseException):
    """What Faust does not notice: an error that is no Exception."""


async def write(output: Path, event: Any, delay: float) -> None:
    """Stands for an insert: takes its time, then is safe, then acknowledged."""
    await asyncio.sleep(delay)
    batch = event.value
    lines = [f"{batch.partition} {record.offset} {record.value.decode()}\n" for record in batch.records]
    with output.open("a") as file:
        file.writelines(lines)
    acknowledge(event)


async def in_any_order(stream: Any, output: Path) -> None:
    tasks = set()
    async for event in stream.noack().events():
        task = asyncio.create_task(write(output, event, random.uniform(0, 0.1)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def one_by_one(stream: Any, output: Path) -> None:
    async for event in stream.noack().events():
        await write(output, event, 0.3)


async def failing(stream: Any, output: Path) -> None:
    async for event in stream.noack().events():
        await write(output, event, 0)
        raise ValueError("the second batch is beyond me")


async def deciding(stream: Any, output: Path) -> None:
    async for _ in stream.noack().events():
        raise StopWorker("dead-letter ratio exceeded")


async def decide() -> None:
    raise StopWorker("dead-letter ratio exceeded")


async def deciding_in_a_task(stream: Any, output: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        async for _ in stream.noack().events():
            tasks.create_task(decide())


async def panicking(stream: Any, output: Path) -> None:
    async for _ in stream.noack().events():
        raise Disaster("the decoder panicked")


async def returning(stream: Any, output: Path) -> None:
    async for _ in stream.noack().events():
        return


async def holding(stream: Any, output: Path) -> None:
    held = []
    async for event in stream.noack().events():
        held.append(event)


async def plain(stream: Any, output: Path) -> None:
    async for _ in stream:
        raise ValueError("and the batch would be committed")


async def taking(stream: Any, output: Path) -> None:
    async for _ in stream.take(10, within=1):
        raise ValueError("and the batches would be committed")


BEHAVIOURS = {
    behaviour.__name__: behaviour
    for behaviour in (
        in_any_order,
        one_by_one,
        failing,
        deciding,
        deciding_in_a_task,
        panicking,
        returning,
        holding,
        plain,
        taking,
    )
}


def build(bootstrap: str, topic: str, group: str, output: Path, behaviour: str) -> WorkerApp:
    """An app with one agent; small batches, few at a time, so that there are many."""
    settings = TransportSettings(
        max_records=50, max_inflight_bytes=200_000, session_timeout=6.0, heartbeat_interval=0.5, stop_grace=2.0
    )
    app = create_app(group, brokers=[bootstrap], settings=settings)

    async def agent(stream: Any) -> None:
        await BEHAVIOURS[behaviour](stream, output)

    app.agent(app.topic(topic))(agent)
    return app


def main(bootstrap: str, topic: str, group: str, output: str, behaviour: str) -> int:
    path = Path(output)
    path.touch()
    ready = path.with_suffix(".ready")
    app = build(bootstrap, topic, group, path, behaviour)
    return run_worker(app, retry_after=0.2, retry_at_most=1.0, on_ready=ready.touch)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
