"""Served here, counted here, pure: from activations by office and domicile to a matrix and its totals.

Coverage counts people where they live; this counts activations where they were made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from api import models
from api.coverage import UNHEARD
from api.measures.shared import Share
from api.models import Absent, Model, RegionName
from events import regions
from events.regions import Region
from projections.measures.served import Served

Kind = Literal["part", "own", "above", "elsewhere"]
ONLY_RESIDENTS = "of offices outside the region only what they did for its residents is counted"
ONLY_WITHIN = "of people who live outside the region only what was done for them within it is counted"
NOBODY_SERVED = "no activation was made there in these days, so there is nothing to take a share of"


class Place(Model):
    """`part`: a region directly below (a village itself). `own`: an office of the whole region. `above`: one of a
    region above it. `elsewhere`: outside. Only `elsewhere` has no region."""

    kind: Kind
    region: RegionName | None


class Cell(Model):
    """Activations made in `office` of people who live in `domicile`. Pairs without any are left out."""

    domicile: Place
    office: Place
    activations: int


class Office(Model):
    """What offices in a place did. `outsiders`: of `activations` those of people who live outside that place."""

    place: Place
    activations: int | None
    outsiders: Share | None
    absent: list[Absent]


class Domicile(Model):
    """Where the activations of a place's residents were made. `elsewhere`: of all, those made neither within it nor by
    an office of the region asked about or of one above it (`by_offices_above`). Of those who live outside the region
    only `activations` is given, what was done for them within it."""

    place: Place
    activations: int | None
    within: int | None
    by_offices_above: int | None
    elsewhere: Share | None
    absent: list[Absent]


_PART = {"kind": "part", "region": {"code": "61.01.01", "name": "Sambas", "level": "district"}}
_OWN = {"kind": "own", "region": models.EXAMPLE_REGION}
_ELSEWHERE = {"kind": "elsewhere", "region": None}


class ServedAnswer(Model):
    """Activations by where people live and where they were served, both days included. Activations are events: someone
    activated again counts again. `domiciles` and `offices` are the totals of the matrix `cells`; each add up to
    `total`.
    """

    model_config = models.example(
        **{"region": models.EXAMPLE_REGION, "from": "2024-06-01", "to": "2024-06-30"},
        total=335,
        cells=[
            {"domicile": _PART, "office": _OWN, "activations": 320},
            {"domicile": _PART, "office": _ELSEWHERE, "activations": 5},
            {"domicile": _ELSEWHERE, "office": _OWN, "activations": 10},
        ],
        domiciles=[
            {
                "place": _PART,
                "activations": 325,
                "within": 0,
                "by_offices_above": 320,
                "elsewhere": {"numerator": 5, "denominator": 325, "value": 0.015385},
                "absent": [],
            },
            {
                "place": _ELSEWHERE,
                "activations": 10,
                "within": None,
                "by_offices_above": None,
                "elsewhere": None,
                "absent": [
                    {"field": each, "reason": ONLY_WITHIN} for each in ("within", "by_offices_above", "elsewhere")
                ],
            },
        ],
        offices=[
            {
                "place": _OWN,
                "activations": 330,
                "outsiders": {"numerator": 10, "denominator": 330, "value": 0.030303},
                "absent": [],
            },
            {
                "place": _ELSEWHERE,
                "activations": 5,
                "outsiders": None,
                "absent": [{"field": "outsiders", "reason": ONLY_RESIDENTS}],
            },
        ],
        absent=[],
        data=models.EXAMPLE_DATA,
    )

    region: RegionName
    first: dt.date = Field(alias="from")
    last: dt.date = Field(alias="to")
    total: int | None
    cells: list[Cell]
    domiciles: list[Domicile]
    offices: list[Office]
    absent: list[Absent]
    data: models.Data


@dataclass(frozen=True, slots=True)
class Spot:
    """A place as a key. `region` 0 where `kind` is elsewhere."""

    kind: Kind
    region: int = 0

    def model(self) -> Place:
        name = None if self.kind == "elsewhere" else RegionName.of(regions.region(self.region))
        return Place(kind=self.kind, region=name)


ELSEWHERE = Spot("elsewhere")
Counts = dict[tuple[Spot, Spot], int]


def parts_of(region: Region) -> list[Region]:
    """The regions directly below; of a village, the village."""
    return list(regions.children().get(region.number, [])) or [region]


def matrix(region: Region, rows: Iterable[Served]) -> Counts:
    """Activations by (domicile, office)."""
    parts = {each.number for each in parts_of(region)}
    found: Counts = {}
    for row in rows:
        home = Spot("part", row.part) if row.part in parts else ELSEWHERE
        key = home, _office(region.number, parts, row.office)
        found[key] = found.get(key, 0) + row.activations
    return found


def _office(region: int, parts: Set[int], office: int) -> Spot:
    above = regions.ancestors_of(office)
    part = next((each for each in above if each in parts), None)
    if part is not None:
        return Spot("part", part)
    if office == region:
        return Spot("own", region)
    return Spot("above", office) if office in regions.ancestors_of(region) else ELSEWHERE


def domiciles(region: Region, found: Counts, heard: Set[int]) -> list[Domicile]:
    """A row a part, and one for those who live outside where some were served. Null where no source speaks for the part
    and nobody of it was activated."""
    rows = [_domicile(Spot("part", each.number), found, heard) for each in parts_of(region)]
    return rows + _outsiders(found)


def offices(region: Region, found: Counts, heard: Set[int]) -> list[Office]:
    """A row a part, and one for each other place where somebody was served."""
    parts = [Spot("part", each.number) for each in parts_of(region)]
    others = sorted({office for _, office in found} - set(parts), key=lambda each: (_ORDER[each.kind], each.region))
    return [_served_by(each, found, heard) for each in [*parts, *others]]


_ORDER = {"part": 0, "own": 1, "above": 2, "elsewhere": 3}


def cells(found: Counts) -> list[Cell]:
    ordered = sorted(found.items(), key=lambda each: [(_ORDER[spot.kind], spot.region) for spot in each[0]])
    return [Cell(domicile=home.model(), office=office.model(), activations=n) for (home, office), n in ordered]


def _domicile(part: Spot, found: Counts, heard: Set[int]) -> Domicile:
    made = {office: n for (home, office), n in found.items() if home == part}
    if not made and part.region not in heard:
        absent = _absent(("activations", "within", "by_offices_above", "elsewhere"), UNHEARD)
        return Domicile(
            place=part.model(), activations=None, within=None, by_offices_above=None, elsewhere=None, absent=absent
        )
    within, total = made.get(part, 0), sum(made.values())
    above = sum(n for office, n in made.items() if office.kind in ("own", "above"))
    share = Share.of(total - within - above, total)
    return Domicile(
        place=part.model(),
        activations=total,
        within=within,
        by_offices_above=above,
        elsewhere=share,
        absent=_nothing("elsewhere", share),
    )


def _outsiders(found: Counts) -> list[Domicile]:
    made = [n for (home, _), n in found.items() if home == ELSEWHERE]
    if not made:
        return []
    absent = _absent(("within", "by_offices_above", "elsewhere"), ONLY_WITHIN)
    place = ELSEWHERE.model()
    return [
        Domicile(place=place, activations=sum(made), within=None, by_offices_above=None, elsewhere=None, absent=absent)
    ]


def _served_by(office: Spot, found: Counts, heard: Set[int]) -> Office:
    made = {home: n for (home, where), n in found.items() if where == office}
    if not made and office.region not in heard:
        absent = _absent(("activations", "outsiders"), UNHEARD)
        return Office(place=office.model(), activations=None, outsiders=None, absent=absent)
    total = sum(made.values())
    if office.kind in ("above", "elsewhere"):
        absent = _absent(("outsiders",), ONLY_RESIDENTS)
        return Office(place=office.model(), activations=total, outsiders=None, absent=absent)
    outside = sum(n for home, n in made.items() if home == ELSEWHERE or (office.kind == "part" and home != office))
    share = Share.of(outside, total)
    return Office(place=office.model(), activations=total, outsiders=share, absent=_nothing("outsiders", share))


def _nothing(field: str, share: Share) -> list[Absent]:
    return [] if share.value is not None else [Absent(field=f"{field}.value", reason=NOBODY_SERVED)]


def _absent(fields: Sequence[str], reason: str) -> list[Absent]:
    return [Absent(field=each, reason=reason) for each in fields]
