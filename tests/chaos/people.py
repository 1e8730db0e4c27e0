"""People and what happens to them: random, from a seed, with everything that makes counting hard."""

from __future__ import annotations

import functools
import random
import time
from dataclasses import dataclass, field
from typing import Any

from events import codec, identity
from events.catalogue import ACTIVATION, EVENTS, HEARTBEAT, OUTREACH, REFERENCE, examples
from events.jsonform import values_of_version
from tests.chaos.oracle import Fact

DAY_MS = 86_400_000
VILLAGES = (6101012001, 6101012002, 6101012005, 6101022001, 6172021001, 6172021002, 3201011001, 3201011002)
OFFICES = (6101, 6172, 3201, 0)
EVENTS_A_PERSON = 8

# Kinds of events with their weights.
KINDS = {
    "Activated": 6,
    "Deactivated": 3,
    "SubjectArrived": 3,
    "SubjectDeparted": 3,
    "ActivationRegistered": 1,
    "FaceVerified": 1,
    "QrVerified": 1,
    "AttemptFailed": 1,
    "FirstUsed": 1,
    "SubjectErased": 1,
}
OTHERS = {
    "OutreachPlanned": (OUTREACH, "outreach_event"),
    "OutreachHeld": (OUTREACH, "outreach_event"),
    "CampaignPublished": (OUTREACH, "outreach_event"),
    "SourceReported": (HEARTBEAT, "source_report"),
    "DenominatorReleased": (REFERENCE, "denominator"),
    "TargetSet": (REFERENCE, "target"),
}
OTHERS_SHARE = 0.02


@dataclass(frozen=True)
class Message:
    """A record to be sent, and the fact in it; None: it is poisoned, and must end among the dead letters."""

    topic: str
    key: bytes
    value: bytes
    fact: Fact | None


@dataclass
class Person:
    """A few villages and a few moments of one life: events of one millisecond happen."""

    id: bytes
    villages: list[int]
    moments: list[int]
    left: int = EVENTS_A_PERSON


@dataclass
class People:
    """An endless supply of events of `size` people at a time; who has had their events is followed by someone new."""

    seed: int
    size: int = 300
    count: int = 0
    alive: list[Person] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(f"people {self.seed}")
        self.alive = [self._born() for _ in range(self.size)]

    def next(self) -> Message:
        self.count += 1
        if self.random.random() < OTHERS_SHARE:
            return self._other()
        place = self.random.randrange(self.size)
        person = self.alive[place]
        person.left -= 1
        if not person.left:
            self.alive[place] = self._born()
        return self._of(person)

    def poison(self) -> Message:
        """Bytes that are no event of their topic."""
        message, noise = self.next(), self.random.randbytes(self.random.randint(0, 40))
        bad = (
            noise,
            codec.frame_header(9999) + noise,
            message.value[: self.random.randint(6, 30)],
            message.value + b"more",
        )
        return Message(message.topic, message.key, self.random.choice(bad), None)

    def _born(self) -> Person:
        day = _today() - self.random.randint(0, 40) * DAY_MS
        moments = [day + self.random.randint(-4, 0) * DAY_MS + self.random.randrange(DAY_MS // 2) for _ in range(4)]
        return Person(self.random.randbytes(16), self.random.sample(VILLAGES, 3), moments)

    def _of(self, person: Person) -> Message:
        name = self.random.choices(list(KINDS), list(KINDS.values()))[0]
        at, village, office = self._when(person), self.random.choice(person.villages), self.random.choice(OFFICES)
        values = {
            **_template(name),
            "event_id": identity.derived_event_id(at, self.seed, self.count),
            "occurred_at": at,
            "recorded_at": at + self.random.choice((0, 700, -3_600_000)),  # clocks of offices differ
            "subject_id": person.id,
            "domicile": village,
            "service_region": office,
        }
        fact = Fact(values["event_id"], name, "activation_event", person.id, village, office, at)
        return Message(ACTIVATION, person.id, codec.encode(name, values), fact)

    def _when(self, person: Person) -> int:
        return self.random.choice(person.moments) + self.random.choice((0, 0, 1))

    def _other(self) -> Message:
        name = self.random.choice(list(OTHERS))
        topic, table = OTHERS[name]
        at = _today() - self.random.randrange(DAY_MS)
        values = {
            **_template(name),
            "event_id": identity.derived_event_id(at, self.seed, self.count),
            "occurred_at": at,
        }
        fact = Fact(values["event_id"], name, table, rows=len(values.get("regions", "1")))
        return Message(topic, str(self.count % 9).encode(), codec.encode(name, values), fact)


def _today() -> int:
    return time.time_ns() // 1_000_000 - DAY_MS


@functools.cache
def _template(name: str) -> dict[str, Any]:
    event = EVENTS[name]
    return values_of_version(event, event.newest, examples(event, event.newest)[0], _today())
