"""Outreach: visits planned, held, cancelled; campaigns. Like people, visits are drawn from the seed when needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cakupan.scenario import weights
from cakupan.scenario.desk import Desk
from cakupan.scenario.weights import Visiting, slots
from cakupan.scenario.world import FIRST_DAY, HOUR_MS, World, event_id, start_of, type_of

PLANNED = type_of("OutreachPlanned")
HELD = type_of("OutreachHeld")
CANCELLED = type_of("OutreachCancelled")
CAMPAIGN = type_of("CampaignPublished")

_VISITING = slots({each: each.weight for each in weights.VISITING})
_REASONS = slots(weights.CANCEL_REASONS)
_MEDIA = slots(weights.MEDIA)
_PLANNED_MS = 10 * HOUR_MS  # plans are made at ten
_REPORT_MS = 7 * HOUR_MS  # and reported when the visit is over


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit. `outreach_id` is the event id of its plan; `planned_on` may lie before the scenario's first day."""

    outreach_id: bytes
    village: int
    what: Visiting
    channel: str
    place: str
    day: int
    planned_on: int
    starts_ms: int
    draw: bytes


def visit(world: World, area: int, day: int, number: int) -> Visit:
    """The `number`-th visit of an area on a day."""
    draw = world.digest(b"visit", area, day, number)
    what = _VISITING[draw[0]]
    planned_on = day - weights.LEADS[draw[1] % len(weights.LEADS)]
    return Visit(
        outreach_id=event_id(_planned_ms(planned_on, draw), 1, int.from_bytes(draw[8:16], "big")),
        village=world.areas[area].home.pick(int.from_bytes(draw[2:6], "big")),
        what=what,
        channel=what.channel,
        place=what.places[draw[6] % len(what.places)],
        day=day,
        planned_on=planned_on,
        starts_ms=start_of(day) + what.hour * HOUR_MS,
        draw=draw,
    )


def tell_planned(each: Visit, desk: Desk) -> None:
    values = _values(each, desk, _planned_ms(each.planned_on, each.draw), 1)
    desk.tell(
        *PLANNED,
        {
            **values,
            "kind": each.what.kind,
            "place": each.place,
            "planned_for": FIRST_DAY + each.day,
            "team_size": _team(each),
        },
    )


def tell_held(each: Visit, desk: Desk, registered: int, activated: int) -> None:
    """What the team reports in the evening. It counts by hand: one in eight teams is off by one."""
    values = _values(each, desk, each.starts_ms + _REPORT_MS * 6 // 7, 2)
    slip = 1 if each.draw[18] < 32 and activated else 0
    reached = registered * 2 + each.draw[19] % 60
    counts = {"reached": reached, "registered": registered, "activated": activated - slip}
    staff = {"team_size": _team(each), "hours": 4 + each.draw[20] % 5 / 2}
    desk.tell(*HELD, {**values, "kind": each.what.kind, "place": each.place, **staff, **counts})


def tell_cancelled(each: Visit, desk: Desk) -> None:
    values = _values(each, desk, start_of(each.day) + 7 * HOUR_MS + each.draw[21] * 1000, 3)
    desk.tell(*CANCELLED, {**values, "reason": _REASONS[each.draw[22]]})


def tell_campaign(world: World, office: int, desk: Desk) -> None:
    """On about one in `campaign_days` days of the office."""
    draw = world.digest(b"campaign", office, desk.day)
    if int.from_bytes(draw[:4], "big") % desk.office.campaign_days:
        return
    at_ms = start_of(desk.day) + 9 * HOUR_MS + int.from_bytes(draw[4:6], "big") * 300
    bits = int.from_bytes(draw[8:16], "big")
    values = {
        "event_id": event_id(at_ms, 4, bits),
        "occurred_at": at_ms,
        "recorded_at": desk.recorded_at(at_ms, bits),
        "source": desk.source,
        "service_region": desk.office.region,
        "medium": _MEDIA[draw[6]],
        "reach": 300 + int.from_bytes(draw[16:18], "big") // 3,
    }
    desk.tell(*CAMPAIGN, values)


def _values(each: Visit, desk: Desk, at_ms: int, step: int) -> dict[str, Any]:
    bits = int.from_bytes(each.draw[8:16], "big")
    return {
        "event_id": event_id(at_ms, step, bits),
        "occurred_at": at_ms,
        "recorded_at": desk.recorded_at(at_ms, bits),
        "source": desk.source,
        "service_region": each.village,
        "outreach_id": each.outreach_id,
    }


def _planned_ms(day: int, draw: bytes) -> int:
    return start_of(day) + _PLANNED_MS + draw[7] * 5000


def _team(each: Visit) -> int:
    return 2 + each.draw[17] % 5
