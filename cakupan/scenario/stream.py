"""The stream: day by day, what each office sends on that day, in the order of recording.

Nothing is kept between days but counters, so memory does not grow with the number of people: late reports and
second copies are drawn again when they are due.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from cakupan.scenario import outreach
from cakupan.scenario.calendar import Calendar, Crowd, Ints, calendar, crowd, met_again
from cakupan.scenario.desk import Desk
from cakupan.scenario.offices import Delivery, Post, deliveries, heartbeats, post
from cakupan.scenario.outreach import Visit, visit
from cakupan.scenario.people import JOURNEYS, Kind, Person, start_ms
from cakupan.scenario.weights import DAYS, LEADS
from cakupan.scenario.world import HOUR_MS, Planned, World, start_of

_GROUP = 4_000  # people that are drawn at once; a day with fewer is in order of recording as a whole
_JOURNEYS = [JOURNEYS[kind] for kind in Kind]


def stream(world: World) -> Iterator[Planned]:
    """Every event of a world as it is sent. Deterministic; memory is that of a few thousand people's events."""
    cal, sent_by = calendar(world), post(world)
    sent: Counter[str] = Counter()
    for today in range(DAYS):
        active: set[str] = set()
        for again, batch in _batches(world, cal, sent_by, today):
            batch.sort(key=_recorded_at)
            if not again:
                counts = Counter(each.event.values["source"] for each in batch)
                sent.update(counts)
                active.update(counts)
            yield from batch
        for each in heartbeats(world, sent_by, today, sent, active):
            sent[each.event.values["source"]] += 1
            yield each


def _recorded_at(each: Planned) -> int:
    at: int = each.event.values["recorded_at"]
    return at


def _batches(world: World, cal: Calendar, sent_by: Post, today: int) -> Iterator[tuple[bool, list[Planned]]]:
    """Second copies first, each by itself; then the day's first ones, together as far as they are few."""
    fresh: list[Planned] = []
    for delivery in deliveries(sent_by, today):
        for areas in _groups(world, cal, delivery):
            batch = _Sending(world, cal, sent_by, delivery, areas).events()
            if delivery.again:
                yield True, batch
                continue
            fresh += batch
            if len(fresh) > 4 * _GROUP:
                yield False, fresh
                fresh = []
    yield False, fresh


def _groups(world: World, cal: Calendar, delivery: Delivery) -> Iterator[Ints]:
    """The areas that have to do with the offices, in groups of so many people."""
    group: list[int] = []
    people = 0
    for number, area in enumerate(world.areas):
        if area.office not in delivery.offices and area.register not in delivery.offices:
            continue
        if group and people + cal.total[number, delivery.day] > _GROUP:
            yield np.array(group)
            group, people = [], 0
        group.append(number)
        people += int(cal.total[number, delivery.day])
    if group:
        yield np.array(group)


class _Sending:
    """What the delivery's offices tell about its day and some areas."""

    def __init__(self, world: World, cal: Calendar, sent_by: Post, delivery: Delivery, areas: Ints) -> None:
        self.world = world
        self.cal = cal
        self.day = delivery.day
        self.areas = areas
        self.served = np.array([a for a in areas.tolist() if world.areas[a].office in delivery.offices], dtype=np.int64)
        self.out: list[Planned] = []
        offices = {n for a in areas.tolist() for n in (world.areas[a].office, world.areas[a].register)}
        self.desks = {n: sent_by.desk(world.offices[n], n, self.day, self.out) for n in offices & delivery.offices}
        self.visits: dict[tuple[int, int, int], Visit] = {}

    def events(self) -> list[Planned]:
        self._first_contacts()
        self._outreach_ahead()
        for people, after in zip(met_again(self.cal, self.areas, self.day), (False, True), strict=True):
            self._meet_again(people, after)
        for number, desk in self.desks.items():
            self._campaigns(number, desk)
        return self.out

    def _first_contacts(self) -> None:
        """People, then what the visits report about them."""
        counts: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
        days = np.full(len(self.served), self.day)
        for area, day, index, kind, _, number in crowd(self.cal, self.served, days).rows():
            met_at, person = self._person(area, day, index, kind, number)
            _JOURNEYS[kind].first(person, start_ms(person, met_at, day), self._desk(area))
            if met_at and kind != Kind.TURNED_AWAY:
                count = counts[area, number]
                count[0] += 1
                count[1] += kind not in (Kind.WAITS, Kind.REGISTERS)
        visited = self.cal.visits[self.served, self.day] + self.cal.cancelled[self.served, self.day] > 0
        for area in self.served[visited].tolist():
            self._visits_over(area, counts)

    def _visits_over(self, area: int, counts: dict[tuple[int, int], list[int]]) -> None:
        held = int(self.cal.visits[area, self.day])
        for number in range(held):
            outreach.tell_held(self._visit(area, self.day, number), self._desk(area), *counts[area, number])
        for number in range(held, held + int(self.cal.cancelled[area, self.day])):
            outreach.tell_cancelled(self._visit(area, self.day, number), self._desk(area))

    def _outreach_ahead(self) -> None:
        for day in (self.day + lead for lead in LEADS if self.day + lead < DAYS):
            planned = self.cal.visits[self.served, day] + self.cal.cancelled[self.served, day]
            some = planned > 0
            for area, count in zip(self.served[some].tolist(), planned[some].tolist(), strict=True):
                for number in range(count):
                    each = visit(self.world, area, day, number)
                    if each.planned_on == self.day:
                        outreach.tell_planned(each, self._desk(area))

    def _meet_again(self, people: Crowd, after: bool) -> None:
        for area, day, index, kind, _, number in people.rows():
            journey = _JOURNEYS[kind]
            place = self.world.areas[area]
            desk = self.desks.get(place.register if journey.registered else place.office)
            happens = journey.after if after else journey.later
            if desk is None or happens is None:
                continue
            _, person = self._person(area, day, index, kind, number)
            happens(person, start_of(self.day) + 8 * HOUR_MS + (person.draws[8] * 5 * HOUR_MS >> 32), desk)

    def _campaigns(self, number: int, desk: Desk) -> None:
        """Told once: with the group that the office's first area is in."""
        if desk.office.campaign_days and self.world.speaks_first[number] in self.areas:
            outreach.tell_campaign(self.world, number, desk)

    def _person(self, area: int, day: int, index: int, kind: int, number: int) -> tuple[Visit | None, Person]:
        met_at = self._visit(area, day, number) if number >= 0 else None
        return met_at, Person(self.world.key, (area, day, index), self.world.areas[area], kind, met_at)

    def _visit(self, area: int, day: int, number: int) -> Visit:
        ref = (area, day, number)
        if ref not in self.visits:
            self.visits[ref] = visit(self.world, area, day, number)
        return self.visits[ref]

    def _desk(self, area: int) -> Desk:
        return self.desks[self.world.areas[area].office]
