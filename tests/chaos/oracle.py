"""What the numbers must be, from what was acknowledged: a dictionary per person, in the plainest words."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

WIB = dt.timezone(dt.timedelta(hours=7))
FIELDS = ("active_change", "activated", "deactivated", "moved_in", "moved_out")
RegionDay = tuple[int, dt.date]


@dataclass(frozen=True)
class Fact:
    """An event, as far as it counts. `rows`: how many rows of `table` it makes."""

    event_id: bytes
    name: str
    table: str = "activation_event"
    person: bytes = b""
    village: int = 0
    office: int = 0
    at_ms: int = 0
    rows: int = 1

    @property
    def day(self) -> dt.date:
        """The day in western Indonesia."""
        return dt.datetime.fromtimestamp(self.at_ms / 1000, WIB).date()


def of_people(facts: Iterable[Fact]) -> list[Fact]:
    return [each for each in facts if each.table == "activation_event"]


def coverage(facts: Iterable[Fact]) -> dict[RegionDay, Mapping[str, int]]:
    """Changes of the number of active people by region and day, from village to nation; only what is not zero."""
    counts: dict[RegionDay, Counter[str]] = defaultdict(Counter)
    for history in _histories(facts).values():
        for village, day, change in _changes(history):
            for region in (village, village // 10**4, village // 10**6, village // 10**8, 0):
                counts[region, day][change] += 1
    return {
        key: {"active_change": _net(count), **{name: count[name] for name in FIELDS[1:]}}
        for key, count in counts.items()
    }


def offices(facts: Iterable[Fact]) -> Counter[RegionDay]:
    """Events by the office's region and day."""
    return Counter((each.office, each.day) for each in of_people(facts))


def homes(facts: Iterable[Fact]) -> Counter[RegionDay]:
    """Events by region of domicile, villages and everything above them, and day."""
    counts: Counter[RegionDay] = Counter()
    for each in of_people(facts):
        village = each.village
        counts.update((r, each.day) for r in {village, village // 10**4, village // 10**6, village // 10**8, 0})
    return counts


def _net(count: Mapping[str, int]) -> int:
    return count["activated"] - count["deactivated"] + count["moved_in"] - count["moved_out"]


def _histories(facts: Iterable[Fact]) -> dict[bytes, list[Fact]]:
    people: dict[bytes, dict[bytes, Fact]] = defaultdict(dict)
    for each in of_people(facts):
        people[each.person][each.event_id] = each
    return {who: sorted(log.values(), key=lambda e: (e.at_ms, e.event_id)) for who, log in people.items()}


def _changes(history: Iterable[Fact]) -> Iterator[tuple[int, dt.date, str]]:
    active, home = False, 0
    for each in history:
        was, before = active, home if active else 0
        active, home = _after(each, active, home)
        after = home if active else 0
        if before == after:
            continue
        if before:
            yield before, each.day, "moved_out" if active else "deactivated"
        if after:
            yield after, each.day, "moved_in" if was else "activated"


def _after(event: Fact, active: bool, home: int) -> tuple[bool, int]:
    match event.name:
        case "Activated":
            return True, event.village
        case "Deactivated":
            return False, home
        case "SubjectArrived":
            return active, event.village
        case "SubjectDeparted" if event.village == home:
            return active, 0
    return active, home
