"""The public view: what is told of people to who has no key for a region. The one place for all routes.

What it is told is counts of active people, rounded and in part withheld (`api.suppression`), before anything is made of
them: shares, ranks, totals and downloads hold no more than the counts that they are made of. All else about a region is
counted over days, minutes or reports that the asker chooses, which can be taken from one another until single people
show; routes refuse that (`api.access.RegionInScope`).
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from api import models
from api.memory import Memory
from api.suppression import Known, Suppression
from events import regions
from events.regions import NATION

MaySee = Callable[[int], bool]  # whether the caller's key holds a region

DAYS_KEPT = 16  # of which what was found out is kept while the counts stay
AT_ONCE = 20  # regions that are read into memory together
CHANGES = ("active_change", "activated", "deactivated", "moved_in", "moved_out")
EVENTS_WITHHELD = "withheld: numbers of events need a key whose scope holds their regions"
CHANGES_WITHHELD = "withheld: changes from day to day need a key whose scope holds the region"


@dataclass(frozen=True)
class Told:
    """Active people by region as they are shown, and the regions of which the number is not. `step`: what numbers are
    rounded down to a multiple of; 1: they are exact."""

    active: Mapping[int, int]
    withheld: Collection[int] = ()
    step: int = 1


def withheld_for(smallest: int) -> str:
    return f"withheld: fewer than {smallest} people, or it would tell of so few"


def _lacking(field: str, withheld: bool) -> list[models.Absent]:
    return [models.Absent(field=field, reason=EVENTS_WITHHELD)] if withheld else []


def _all(codes: Sequence[str], may_see: MaySee) -> bool:
    return all(may_see(regions.parse_code(each)) for each in codes)


def _sent_untold(source: models.SourcePlace) -> models.SourcePlace:
    return source.model_copy(update={"events_sent": None})


class Waits(Exception):
    """What is to be known is not in memory."""


class PublicView:
    """Of one app. `smallest`: fewer people than this are not told of; 1: all is told as it is."""

    def __init__(self, memory: Memory, smallest: int) -> None:
        self.smallest = smallest
        self._memory = memory
        self._lock = threading.Lock()
        self._known: OrderedDict[dt.date, Known] = OrderedDict()
        self._version: object = None

    @property
    def everything(self) -> bool:
        """Whether who has no key is told all."""
        return self.smallest <= 1

    def told(self, active: Mapping[int, int], codes: Sequence[int], day: dt.date) -> Told:
        """What is told of some regions at the end of a day. Raises DatabaseError."""
        read = Suppression(lambda codes: self._memory.active(codes, day), self.smallest, self._known_of(day))
        return self._told(read, active, codes)

    def told_at_once(self, active: Mapping[int, int], codes: Sequence[int], day: dt.date) -> Told | None:
        """The same without asking the table; None where something is to be waited for."""

        def held(codes: Sequence[int]) -> Mapping[int, int]:
            found = self._memory.held(codes, day)
            if found is None:
                raise Waits
            return found

        try:
            return self._told(Suppression(held, self.smallest, self._known_of(day)), active, codes)
        except Waits:
            return None

    def series(self, answer: models.SeriesAnswer, code: int) -> models.SeriesAnswer:
        """What is told of a series: how many were active, and not what changed. Raises DatabaseError."""
        self._hold_around(code, answer.points)
        points = [self._point(each, code) for each in answer.points]
        absent = [models.Absent(field=f"points.{name}", reason=CHANGES_WITHHELD) for name in CHANGES] if points else []
        if any(each.active is None for each in points):
            absent.append(models.Absent(field="points.active", reason=withheld_for(self.smallest)))
        return answer.model_copy(update={"points": points, "absent": absent + answer.absent})

    def freshness(self, answer: models.FreshnessAnswer, may_see: MaySee) -> models.FreshnessAnswer:
        """Without how many events a source has sent, unless all its regions may be seen."""
        if self.everything:
            return answer
        told = [each if _all(each.regions, may_see) else _sent_untold(each) for each in answer.sources]
        return answer.model_copy(
            update={"sources": told, "absent": _lacking("sources.events_sent", told != answer.sources) + answer.absent}
        )

    def proof(self, answer: models.IntegrityAnswer, may_see: MaySee) -> models.IntegrityAnswer:
        """Without the events of single days of regions that may not be seen."""
        if self.everything:
            return answer
        told = [each for each in answer.differences if _all([each.region], may_see)]
        return answer.model_copy(
            update={"differences": told, "absent": _lacking("differences", told != answer.differences) + answer.absent}
        )

    def letters(self, answer: models.DeadLettersAnswer, may_see: MaySee) -> models.DeadLettersAnswer:
        """Without which source sent how many records that were refused, unless all may be seen."""
        if self.everything or may_see(NATION):
            return answer
        return answer.model_copy(
            update={"groups": [], "absent": _lacking("groups", bool(answer.groups)) + answer.absent}
        )

    def _point(self, point: models.Point, code: int) -> models.Point:
        active = {} if point.active is None else {code: point.active}
        read = Suppression(lambda codes: self._memory.active(codes, point.end), self.smallest)
        told = self._told(read, active, [code])
        return point.model_copy(update={"active": told.active.get(code), **dict.fromkeys(CHANGES)})

    def _told(self, suppression: Suppression, active: Mapping[int, int], codes: Sequence[int]) -> Told:
        withheld = {
            each
            for each in codes
            # The count given may be younger than what is known of its surroundings.
            if 0 < active.get(each, 0) < self.smallest or suppression.withheld(each)
        }
        shown = {each: suppression.rounded(count) for each, count in active.items() if each not in withheld}
        return Told(shown, withheld, self.smallest)

    def _known_of(self, day: dt.date) -> Known:
        """What was found out of a day, as long as no count has changed."""
        version = self._memory.version
        if version is None:
            return Known()
        with self._lock:
            if version != self._version:
                self._known.clear()
                self._version = version
            known = self._known.setdefault(day, Known())
            self._known.move_to_end(day)
            if len(self._known) > DAYS_KEPT:
                self._known.popitem(last=False)
            return known

    def _hold_around(self, code: int, points: Sequence[models.Point]) -> None:
        """Have in memory what every point looks at: not the table asked for each of them."""
        if not points:
            return
        around = [NATION, *(each for above in regions.ancestors_of(code)[1:] for each in regions.numbers_below(above))]
        for place in range(0, len(around), AT_ONCE):
            self._memory.active(around[place : place + AT_ONCE], points[-1].end)
