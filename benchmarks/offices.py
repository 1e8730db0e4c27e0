"""Offices that send activations at a steady rate, in a process of their own: `python -m benchmarks.offices`.

Told on standard input: where, how many a second, for how long, and the villages they are of. It makes all events first,
says so with a line, and sends them at their scheduled times, to two milliseconds: real offices make theirs elsewhere,
and to make 5,000 a second takes a quarter of one of the two cores on which their numbers are waited for. When each was
due is written to standard output, in seconds of the monotonic clock.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from events import codec, identity
from events.catalogue import ACTIVATION, EVENTS
from events.codec import Event
from events.publisher import Publisher, key_of

OFFICES = 500
TICK_SECONDS = 0.002  # what is due goes out so often: to sleep for each of 5,000 a second took more than to make them
SAMPLE = 1000  # events, made to see how long all of them will take
MARGIN = 1.5  # times that


@dataclass
class Sending:
    """Offices at work. `published`, once they are done: when each event was due."""

    process: subprocess.Popen[str]
    published: list[float]


@contextlib.contextmanager
def sending(bootstrap: str, rate: float, seconds: float, villages: Sequence[int]) -> Iterator[Sending]:
    """While the block runs, which begins when they begin, and until all is sent."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.offices"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    offices = Sending(process, [])
    order = json.dumps({"bootstrap": bootstrap, "rate": rate, "seconds": seconds, "villages": list(villages)})
    try:
        assert process.stdin is not None
        process.stdin.write(order)
        process.stdin.close()
        process.stdin = None
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError("the offices ended before they sent anything")
        yield offices
        said, _ = process.communicate(timeout=seconds + 60)
        offices.published += json.loads(said)
    finally:
        process.kill()
        process.wait()


def activation(village: int, now_ms: int) -> Event:
    """A person's activation, now, in the regency's office."""
    values: dict[str, Any] = {
        "event_id": identity.new_event_id(now_ms),
        "occurred_at": now_ms,
        "recorded_at": now_ms,
        "source": f"synthetic/office-{village // 10**6 % OFFICES}",
        "service_region": village // 10**6,
        "domicile": village,
        "subject_id": secrets.token_bytes(16),
        "age_band": "from_25_to_34",
        "sex": "female",
        "channel": "office",
        "device_class": "android_recent",
        "outreach_id": None,
    }
    return Event(EVENTS["Activated"], values)


def records(villages: Sequence[int], rate: float, begin_ms: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of one event after the other, `rate` a second."""
    rng = random.Random(5)
    for number in itertools.count():
        event = activation(rng.choice(villages), begin_ms + round(number * 1000 / rate))
        yield key_of(event), codec.encode(event.type.name, event.values)


def main() -> None:
    order = json.load(sys.stdin)
    villages, rate = order["villages"], order["rate"]
    count = round(rate * order["seconds"])
    began = time.monotonic()
    list(itertools.islice(records(villages, rate, 0), SAMPLE))
    pause = (time.monotonic() - began) / SAMPLE * count * MARGIN
    begin, begin_ms = time.monotonic() + pause, round((time.time() + pause) * 1000)
    ready = list(itertools.islice(records(villages, rate, begin_ms), count))
    due = [begin + number / rate for number in range(count)]
    with Publisher(order["bootstrap"]) as publisher:
        time.sleep(max(0.0, begin - time.monotonic()))
        print("sending", flush=True)
        for at, (key, value) in zip(due, ready, strict=True):
            if (wait := at - time.monotonic()) > 0:
                time.sleep(max(wait, TICK_SECONDS))
            publisher.send(ACTIVATION, key, value)
    json.dump(due, sys.stdout)


if __name__ == "__main__":
    main()
