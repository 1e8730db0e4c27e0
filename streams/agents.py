"""The agents: one a topic, each hands its batches to the same path."""

from __future__ import annotations

from typing import Any

from projections.catalogue import PROJECTIONS
from streams.ingest import Ingest
from streams.transport import WorkerApp


def add_agents(app: WorkerApp, ingest: Ingest) -> None:
    """An agent for every topic that has a projection."""
    for topic in PROJECTIONS:
        app.agent(app.topic(topic), name=f"ingest-{topic}")(_agent(ingest))


def _agent(ingest: Ingest) -> Any:
    async def take_batches(stream: Any) -> None:
        async for event in stream.noack().events():
            await ingest.take(event)

    return take_batches
