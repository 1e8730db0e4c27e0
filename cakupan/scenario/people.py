"""A person's way with IKD: who they are, what happens at first contact, what happens to them later.

A person is a function of the seed, their area, the day of first contact and their index on that day. So nobody is
remembered: who is met again months later is drawn again, the same.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from cakupan.scenario import weights
from cakupan.scenario.desk import Desk
from cakupan.scenario.outreach import Visit
from cakupan.scenario.weights import slots
from cakupan.scenario.world import HOUR_MS, Area, event_id, start_of, type_of
from events.catalogue import EVENTS, EventType, Version

STEPS = tuple(type_of(name) for name in ("ActivationRegistered", "FaceVerified", "QrVerified", "Activated"))
ACTIVATED, ACTIVATED_VERSION = STEPS[3]
ACTIVATED_BEFORE = EVENTS["Activated"].versions[0]
FIRST_USED = type_of("FirstUsed")
FAILED = type_of("AttemptFailed")
DEACTIVATED = type_of("Deactivated")
DEPARTED = type_of("SubjectDeparted")
ARRIVED = type_of("SubjectArrived")
ERASED = type_of("SubjectErased")

# Where in the order of steps a failure of that step stands.
_PLACE = {"install": 0, "registration": 0, "face_match": 1, "qr_scan": 2, "code_entry": 3, "pin": 4}
_ACTIVE = 3  # the place of activation

_AGES = slots(weights.AGES)
_AGES_LEFT_OUT = slots(weights.AGES_LEFT_OUT)
_SEXES = slots(weights.SEXES)
_DEVICES = slots(weights.DEVICES)
_DEVICES_OF_OLD = slots(weights.DEVICES_OF_OLD)
_CHANNELS = slots(weights.DESK_CHANNELS)
_FAILURES = tuple(slots(each) for each in weights.FAILURES)
_OVERCOME = (slots(weights.OVERCOME),) * 2 + (slots(weights.OVERCOME_REMOTE),)
_TURNED_AWAY = (slots(weights.TURNED_AWAY),) * 2 + (slots(weights.TURNED_AWAY_REMOTE),)
_TURNED_AWAY_OF_OLD = slots(weights.TURNED_AWAY_OF_OLD)
_LEFT_WAITING = slots(weights.LEFT_WAITING)
_LOST = slots(weights.LOST_REASONS)
_LEAVING = slots(weights.LEAVING_REASONS)

_REF = struct.Struct(">HHI")
_DRAWS = struct.Struct(">16sQ10I")


class Kind(IntEnum):
    """How it goes with a person."""

    STAYS = 0  # activates at once
    WAITS = 1  # registers, activates another day
    RENEWS = 2  # loses the phone, or its PIN, and activates again the same day
    RENEWS_LATER = 3  # the same, days later
    MOVES = 4  # departs and arrives the same day; in a part of the cases the arrival comes first
    MOVES_SLOWLY = 5  # arrives days after the departure
    MOVES_UNTIDILY = 6  # arrives days before the departure
    ERASED = 7  # active; what leads to the person is destroyed
    ARRIVES = 8  # active elsewhere, moves in
    LEAVES = 9  # active here, moves elsewhere
    OUTSIDER = 10  # served here, lives elsewhere
    REGISTERS = 11  # registered, never active
    TURNED_AWAY = 12  # fails before registration
    DIES = 13
    DEACTIVATES = 14  # and does not come back


class Person:
    """One person at their first contact. `common`: the fields that all their events share."""

    __slots__ = ("area", "bits", "common", "domicile", "draws", "subject_id")

    def __init__(self, key: bytes, ref: tuple[int, int, int], area: Area, kind: int, visit: Visit | None) -> None:
        raw = hashlib.blake2b(_REF.pack(*ref), key=key, digest_size=64).digest()
        draws: list[int]
        self.subject_id, self.bits, *draws = _DRAWS.unpack(raw)
        self.draws = draws
        self.area = area
        self.domicile = _domicile(area, kind, visit, self.draws)
        self.common = self._common(kind, visit)

    def _common(self, kind: int, visit: Visit | None) -> dict[str, Any]:
        draw = self.draws[2]
        age = (_AGES if kind < Kind.REGISTERS else _AGES_LEFT_OUT)[draw & 0xFF]
        devices = _DEVICES_OF_OLD if age == "from_60" else _DEVICES
        return {
            "service_region": visit.village if visit else self.area.region,
            "domicile": self.domicile,
            "subject_id": self.subject_id,
            "age_band": age,
            "sex": _SEXES[draw >> 8 & 0xFF],
            "channel": visit.channel if visit else _CHANNELS[draw >> 16 & 0xFF],
            "device_class": devices[draw >> 24],
            "outreach_id": visit.outreach_id if visit else None,
        }

    def values(self, desk: Desk, at_ms: int, step: int) -> dict[str, Any]:
        """The fields of an event of this person at `at_ms`; a later event of theirs has a higher `step`."""
        return {
            **self.common,
            "event_id": event_id(at_ms, step, self.bits),
            "occurred_at": at_ms,
            "recorded_at": desk.recorded_at(at_ms, self.bits),
            "source": desk.source,
        }

    def later(self) -> dict[str, Any]:
        """What differs at a desk, later: the visit is over."""
        return {"service_region": self.area.region, "channel": "office", "outreach_id": None}


def _domicile(area: Area, kind: int, visit: Visit | None, draws: list[int]) -> int:
    if kind in (Kind.ARRIVES, Kind.OUTSIDER):
        return area.away.pick(draws[0])
    if visit and draws[1] < weights.AT_THE_VILLAGE * 2**32:
        return visit.village
    return area.home.pick(draws[0])


def moved_to(person: Person, kind: int) -> int:
    """The village that a person of a moving kind moves to; never the one they leave."""
    villages = {Kind.LEAVES: person.area.away, Kind.ARRIVES: person.area.home}.get(Kind(kind), person.area.near)
    bits = person.draws[9]
    while (village := villages.pick(bits)) == person.domicile:
        bits = (bits + 0x3779_9B1F) % 2**32
    return village


def start_ms(person: Person, visit: Visit | None, day: int) -> int:
    """When a person's turn comes: office hours, or the hours of the visit. Epoch milliseconds."""
    if visit:
        return visit.starts_ms + (person.draws[3] * 4 * HOUR_MS >> 32)
    return start_of(day) + 8 * HOUR_MS + (person.draws[3] * 6 * HOUR_MS >> 32)


def activate_at_once(person: Person, at_ms: int, desk: Desk) -> None:
    _go(person, at_ms, desk, 0, 4)


def register(person: Person, at_ms: int, desk: Desk) -> None:
    _go(person, at_ms, desk, 0, 1)


def register_in_vain(person: Person, at_ms: int, desk: Desk) -> None:
    _go(person, at_ms, desk, 0, 1)
    draw = person.draws[7]
    step, reason = _LEFT_WAITING[draw >> 8 & 0xFF]
    for place in range(1, _PLACE[step]):
        at_ms += 600_000
        desk.tell(*STEPS[place], person.values(desk, at_ms, 4 * place + 3))
    if draw & 0xFF < 230:
        _fail(person, at_ms + 1_500_000, desk, 16, step, reason)


def turn_away(person: Person, at_ms: int, desk: Desk) -> None:
    draw = person.draws[7]
    old = person.common["age_band"] == "from_60"
    table = _TURNED_AWAY_OF_OLD if old else _TURNED_AWAY[person.area.hardness]
    step, reason = table[draw & 0xFF]
    if reason == "under_age":
        person.common["age_band"] = "under_17"
    if reason == "no_smartphone":
        person.common["device_class"] = "none"
    _fail(person, at_ms, desk, 0, step, reason)


def activate_after_waiting(person: Person, at_ms: int, desk: Desk) -> None:
    """The rest of the way, another day. The outreach that it began with stays its outreach."""
    _go(person, at_ms, desk, 1, 4)


def renew(person: Person, at_ms: int, desk: Desk) -> None:
    """Deactivated and active again the same day, a few of them in the same millisecond."""
    draw = person.draws[8]
    pause = 0 if draw & 0xF == 0 else 300_000 + (draw & 0x3F_FFFF)
    _deactivate(person, at_ms, desk, _LOST[draw >> 24], 40)
    _activate_again(person, at_ms + pause, desk)


def lose(person: Person, at_ms: int, desk: Desk) -> None:
    _deactivate(person, at_ms, desk, _LOST[person.draws[8] >> 24], 40)


def come_back(person: Person, at_ms: int, desk: Desk) -> None:
    _activate_again(person, at_ms, desk)


def deactivate(person: Person, at_ms: int, desk: Desk) -> None:
    _deactivate(person, at_ms, desk, _LEAVING[person.draws[8] >> 24], 40)


def die(person: Person, at_ms: int, desk: Desk) -> None:
    _deactivate(person, at_ms, desk, "death", 40)


def move(kind: int) -> Later:
    """Departure and arrival of one day; one in four arrives before they depart."""

    def at(person: Person, at_ms: int, desk: Desk) -> None:
        first, second = at_ms, at_ms + 900_000 + (person.draws[8] & 0x7F_FFFF)
        early = person.draws[8] >> 30 == 0
        depart(kind)(person, second if early else first, desk)
        arrive(kind)(person, first if early else second, desk)

    return at


def depart(kind: int) -> Later:
    def at(person: Person, at_ms: int, desk: Desk) -> None:
        _register_move(DEPARTED, person, at_ms, desk, person.domicile, moved_to(person, kind))

    return at


def arrive(kind: int) -> Later:
    def at(person: Person, at_ms: int, desk: Desk) -> None:
        _register_move(ARRIVED, person, at_ms, desk, moved_to(person, kind), person.domicile)

    return at


def erase(person: Person, at_ms: int, desk: Desk) -> None:
    names = ("event_id", "occurred_at", "recorded_at", "source", "domicile", "subject_id")
    values = person.values(desk, at_ms, 60)
    desk.tell(*ERASED, {**{name: values[name] for name in names}, "service_region": desk.office.region})


def _go(person: Person, at_ms: int, desk: Desk, first: int, end: int) -> None:
    """Steps `first` to `end` of the way, with the attempts that fail in between."""
    draws = person.draws
    failing = _overcome(person, _FAILURES[person.area.hardness][draws[6] & 0xFF])
    quick = person.bits & 0x7F == 0  # some take no time: two events of one millisecond
    pauses = (
        0,
        0 if quick else 20_000 + (draws[4] & 0x3_FFFF),
        60_000 + (draws[5] & 0x3_FFFF),
        60_000 + (draws[5] >> 12),
    )
    for place in range(first, min(end, _ACTIVE)):
        at_ms = _stumble(person, at_ms + pauses[place], desk, failing, place)
        desk.tell(*STEPS[place], person.values(desk, at_ms, 4 * place + 3))
    if end > _ACTIVE:
        at_ms = _stumble(person, at_ms + pauses[_ACTIVE], desk, failing, _ACTIVE)
        _activate(person.values(desk, at_ms, 4 * _ACTIVE + 3), desk)
        _use(person, _stumble(person, at_ms, desk, failing, _ACTIVE + 1), desk)


def _stumble(person: Person, at_ms: int, desk: Desk, failing: Sequence[tuple[str, str]], place: int) -> int:
    """The attempts that fail at this place. When the next thing happens."""
    for number, (step, reason) in enumerate(failing):
        if _PLACE[step] == place:
            _fail(person, at_ms, desk, 4 * place + number, step, reason)
            at_ms += 90_000
    return at_ms


def _use(person: Person, at_ms: int, desk: Desk) -> None:
    if person.draws[7] & 0xFF < weights.FIRST_USE:
        desk.tell(*FIRST_USED, person.values(desk, at_ms + 20_000 + (person.draws[4] >> 11), 20))


def _overcome(person: Person, count: int) -> Sequence[tuple[str, str]]:
    if not count:
        return ()
    table = _OVERCOME[person.area.hardness]
    draw = person.draws[6]
    return [table[draw >> 8 * (number + 1) & 0xFF] for number in range(count)]


def _activate(values: dict[str, Any], desk: Desk) -> None:
    if not desk.old:
        return desk.tell(ACTIVATED, ACTIVATED_VERSION, values)
    return desk.tell(ACTIVATED, ACTIVATED_BEFORE, {**values, **ACTIVATED_BEFORE.filled})


def _activate_again(person: Person, at_ms: int, desk: Desk) -> None:
    _activate({**person.values(desk, at_ms, 41), **person.later()}, desk)


def _fail(person: Person, at_ms: int, desk: Desk, step_number: int, step: str, reason: str) -> None:
    desk.tell(*FAILED, {**person.values(desk, at_ms, step_number), "step": step, "reason": reason})


def _deactivate(person: Person, at_ms: int, desk: Desk, reason: str, step: int) -> None:
    desk.tell(*DEACTIVATED, {**person.values(desk, at_ms, step), **person.later(), "reason": reason})


def _register_move(
    told: tuple[EventType, Version], person: Person, at_ms: int, desk: Desk, domicile: int, counterpart: int
) -> None:
    step = 50 if told is DEPARTED else 51
    moved = {
        **person.later(),
        "service_region": domicile // 1_000_000,
        "channel": "unknown",
        "domicile": domicile,
        "counterpart": counterpart,
    }
    desk.tell(*told, {**person.values(desk, at_ms, step), **moved})


Later = Callable[[Person, int, Desk], None]


@dataclass(frozen=True)
class Journey:
    """What happens to people of a kind: at first contact, days later, and GAP days after that.

    What is `registered` comes from the civil register; the rest happens at the desk.
    """

    first: Later
    later: Later | None = None
    after: Later | None = None
    registered: bool = False


JOURNEYS: dict[Kind, Journey] = {
    Kind.STAYS: Journey(activate_at_once),
    Kind.WAITS: Journey(register, activate_after_waiting),
    Kind.RENEWS: Journey(activate_at_once, renew),
    Kind.RENEWS_LATER: Journey(activate_at_once, lose, come_back),
    Kind.MOVES: Journey(activate_at_once, move(Kind.MOVES), registered=True),
    Kind.MOVES_SLOWLY: Journey(activate_at_once, depart(Kind.MOVES_SLOWLY), arrive(Kind.MOVES_SLOWLY), registered=True),
    Kind.MOVES_UNTIDILY: Journey(
        activate_at_once, arrive(Kind.MOVES_UNTIDILY), depart(Kind.MOVES_UNTIDILY), registered=True
    ),
    Kind.ERASED: Journey(activate_at_once, erase, registered=True),
    Kind.ARRIVES: Journey(activate_at_once, move(Kind.ARRIVES), registered=True),
    Kind.LEAVES: Journey(activate_at_once, move(Kind.LEAVES), registered=True),
    Kind.OUTSIDER: Journey(activate_at_once),
    Kind.REGISTERS: Journey(register_in_vain),
    Kind.TURNED_AWAY: Journey(turn_away),
    Kind.DIES: Journey(activate_at_once, die, registered=True),
    Kind.DEACTIVATES: Journey(activate_at_once, deactivate),
}
