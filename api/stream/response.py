"""One stream as an answer: what comes next as soon as it is there, signs of life in between, a last word at the end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Response
from starlette.types import Receive, Scope, Send

from api.problems import Away, Problem
from api.stream.hub import Asking, Listener, StreamHub
from api.stream.ring import Format, TooSlow
from api.wire import Pulse, Wire
from events.errors import PublishError
from events.feed import compact

RECONNECT_MS = 2000

LAST_WORDS = {
    "slow": "this client reads more slowly than events come, and what it was to get next is no longer in memory",
    "stalled": "this client took nothing of what was sent for too long",
    "key": "the key of this stream does not hold any more",
    "tail": "the log can't be read now",
    "stopping": "the API is stopping",
}


@dataclass(frozen=True)
class Dialect:
    """How a stream is written. `opening` takes milliseconds, `alive` an id, `last` an id and a problem."""

    media_type: str
    event: Format

    def opening(self, id_: bytes) -> bytes:
        return b"retry: %d\n: from here on\nid: %b\n\n" % (RECONNECT_MS, id_)

    def alive(self, id_: bytes) -> bytes:
        return b": still here\nid: %b\n\n" % id_

    def last(self, id_: bytes, problem: bytes) -> bytes:
        return b"event: error\nid: %b\ndata: %b\n\n" % (id_, problem)


class _Lines(Dialect):
    def opening(self, id_: bytes) -> bytes:
        return self.alive(id_)

    def alive(self, id_: bytes) -> bytes:  # noqa: ARG002 -- an empty line says nothing else
        return b"\n"

    def last(self, id_: bytes, problem: bytes) -> bytes:
        return b'{"position":%b,"error":%b}\n' % (id_, problem)


def _sse_event(id_: bytes, data: bytes) -> bytes:
    return b"id: %b\ndata: %b\n\n" % (id_, data)


def _line(id_: bytes, data: bytes) -> bytes:
    return b'{"position":%b,"event":%b}\n' % (id_, data)


SSE = Dialect("text/event-stream", _sse_event)
NDJSON = _Lines("application/x-ndjson", _line)


class StreamResponse(Response):
    """A stream; or the problem, where none can be opened."""

    def __init__(self, hub: StreamHub, asking: Asking, dialect: Dialect, heartbeat_seconds: float) -> None:
        super().__init__()
        self._hub = hub
        self._asking = asking
        self._dialect = dialect
        self._heartbeat_seconds = heartbeat_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = self._hub.metrics.sent
        wire = Wire(scope, receive, send, on_sent=sent.inc, patience=self._hub.options.stalled_seconds)
        try:
            async with self._hub.listening(self._asking) as listener:
                word = await self._serve(listener, wire)
        except Problem as problem:
            self._hub.metrics.refused.labels(getattr(problem, "reason", "away")).inc()
            raise
        if word:
            await wire.end(word)

    async def _serve(self, listener: Listener, wire: Wire) -> bytes:
        """The stream. Returns the last word that is left to say; empty: the client has gone."""
        await wire.begin(self._dialect.media_type)
        taken = listener.vector
        with wire.watched(lambda: listener.end("gone")):
            async for chunk in self._chunks(listener):
                if not await wire.write(chunk):
                    listener.end("stalled")
                    break
                taken = listener.vector
        if listener.ended == "gone":
            return b""
        self._hub.metrics.cut.labels(listener.ended).inc()
        return self._dialect.last(listener.channel.id(taken), _last_word(listener.ended))

    async def _chunks(self, listener: Listener) -> AsyncIterator[bytes]:
        yield self._dialect.opening(_id(listener))
        pulse = Pulse(listener.news, self._heartbeat_seconds)
        try:
            checked_at = time.monotonic()
            while not listener.ended:
                yield await (self._next(listener, pulse) if listener.past is None else self._past(listener))
                if time.monotonic() - checked_at >= self._heartbeat_seconds:
                    checked_at = time.monotonic()
                    await self._check(listener)
        except TooSlow:
            listener.end("slow")
        except (PublishError, Away):
            listener.end("tail")
        finally:
            pulse.stop()

    async def _check(self, listener: Listener) -> None:
        if not await self._asking.holds():
            listener.end("key")

    async def _past(self, listener: Listener) -> bytes:
        """The next events of the past; after a time without any, a sign of life. Raises Away."""
        until = time.monotonic() + self._heartbeat_seconds
        while listener.past is not None and not listener.ended:
            if chunk := await self._hub.step(listener):
                return chunk
            if time.monotonic() > until:
                return self._dialect.alive(_id(listener))
        return b""

    async def _next(self, listener: Listener, pulse: Pulse) -> bytes:
        """The next events; after a time without any, a sign of life. Raises TooSlow."""
        assert listener.cursor is not None  # noqa: S101 -- the past is over
        pulse.put_off()
        while not listener.ended:
            listener.news.clear()
            if chunk := listener.channel.take(listener.cursor):
                return chunk
            if pulse.due:  # others' events moved the log on: the sign of life says how far
                return self._dialect.alive(_id(listener))
            await listener.news.wait()
        return b""


def _id(listener: Listener) -> bytes:
    return listener.channel.id(listener.vector)


def _last_word(reason: str) -> bytes:
    detail = f"{LAST_WORDS[reason]}; go on with Last-Event-ID, which is the id of the last event that was sent"
    return compact({"type": f"urn:cakupan:problem:{reason}", "title": "stream ended", "detail": detail})
