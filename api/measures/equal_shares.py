"""Denominators of villages without one of their own: an equal share of what a region above leaves, as an estimate."""

from __future__ import annotations

from api import coverage
from api.coverage import Asked, Missing
from api.models import Denominator
from api.parameters import Basis
from events import regions
from events.regions import Region
from projections.facts import References


class EqualShares:
    """What villages are divided by on one day and basis.

    A village without a count gets an equal share of that of its district; where this has none, of its regency's, else
    of its province's. What is shared out is what the region's count leaves after the counts known within it, among the
    villages that none of these covers. Each region is looked up once, and only those that a question needs.
    """

    def __init__(self, references: References, asked: Asked) -> None:
        self._references = references
        self._asked = asked
        self._basis: Basis = asked.basis or coverage.DEFAULT_BASIS
        self._counted: dict[int, Denominator | Missing] = {}
        self._open: dict[int, tuple[int, int]] = {}
        self._shares: dict[int, Denominator] = {}

    def of(self, village: Region) -> Denominator | str:
        """Its own, or an estimate whose `method` says whose count was shared out; else the reason why there is none."""
        own = self._count(village)
        if not isinstance(own, Missing):
            return own
        for above in map(regions.region, regions.ancestors_of(village.number)[1:-1]):
            whole = self._count(above)
            if not isinstance(whole, Missing):
                if above.number not in self._shares:
                    self._shares[above.number] = self._share(above, whole)
                return self._shares[above.number]
        return f"{own.reason}, nor for its district, regency or province"

    def _share(self, region: Region, whole: Denominator) -> Denominator:
        taken, villages = self._within(region)
        left = whole.value - taken
        method = f"an equal share of what {region.level} {region.code} leaves to {villages} villages without a count"
        return whole.model_copy(update={"value": left // villages, "estimated": True, "method": method})

    def _within(self, region: Region) -> tuple[int, int]:
        """People in the counts known below a region, and how many villages none of these covers."""
        if region.number not in self._open:
            taken, villages = 0, 0
            for each in regions.children()[region.number]:
                more = self._covered(each)
                taken, villages = taken + more[0], villages + more[1]
            self._open[region.number] = taken, villages
        return self._open[region.number]

    def _covered(self, region: Region) -> tuple[int, int]:
        own = self._count(region)
        if not isinstance(own, Missing):
            return own.value, 0
        return (0, 1) if region.level == "village" else self._within(region)

    def _count(self, region: Region) -> Denominator | Missing:
        if region.number not in self._counted:
            reference = self._references.on((region.number,), self._asked.as_of)
            self._counted[region.number] = coverage.denominator_of(region, self._basis, self._asked, reference)
        return self._counted[region.number]
