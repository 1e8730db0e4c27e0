"""Offices that send activations at a steady rate, in a process of their own: `python -m benchmarks.offices`.

Told on standard input: where, how many a second, for how long, and the villages they are of. Events are sent at their
scheduled times, to two milliseconds; when each was due is written to standard output, in seconds of the monotonic
clock.
"""

from __future__ import annotations

import contextlib
import json
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from events import identity
from events.catalogue import EVENTS
from events.codec import Event
from events.publisher import Publisher

OFFICES = 500
TICK_SECONDS = 0.002  # what is due goes out so often: to sleep for each of 5,000 a second took more than to make them


@dataclass
class Sending:
    """Offices at work. `published`, once they are done: when each event was due."""

    process: subprocess.Popen[str]
    published: list[float]


@contextlib.contextmanager
def sending(bootstrap: str, rate: float, seconds: float, villages: Sequence[int]) -> Iterator[Sending]:
    """While the block runs, and until all is sent."""
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


def main() -> None:
    order = json.load(sys.stdin)
    rng = random.Random(5)
    published: list[float] = []
    with Publisher(order["bootstrap"]) as publisher:
        begin = time.monotonic()
        for number in range(round(order["rate"] * order["seconds"])):
            due = begin + number / order["rate"]
            if (wait := due - time.monotonic()) > 0:
                time.sleep(max(wait, TICK_SECONDS))
            publisher.publish(activation(rng.choice(order["villages"]), time.time_ns() // 1_000_000))
            published.append(due)
    json.dump(published, sys.stdout)


if __name__ == "__main__":
    main()
