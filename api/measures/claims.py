"""Claims, pure: a printed figure against all that the record could mean by it.

Coverage is printed as attainment and the other way round, and over whatever count of people was at hand. So a printed
percentage is held against every reading of the record on that day, and against the count printed beside it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal, get_args

from api import models
from api.coverage import rounded
from api.models import Absent, Model
from api.parameters import Basis
from projections.measures.claims import Printed

BASES: tuple[Basis, ...] = get_args(Basis)
Unit = Literal["percent", "people"]
Claim = Literal["count", "coverage", "attainment", "unclear"]
Verdict = Literal["as_claimed", "otherwise", "fits", "none", "cannot_tell"]
UNREADABLE = "cannot_tell: no number of one meaning can be read from what is printed"
NO_READING = "cannot_tell: nothing to hold it against: {}"

_WORDS = {"ribu": 3, "rb": 3, "thousand": 3, "juta": 6, "jt": 6, "million": 6, "miliar": 9, "billion": 9}
_ABOUT = r"~|≈|sekitar|kurang lebih|lebih kurang|hampir|about|around|some|nearly"
_OVER = r">|lebih dari|di atas|more than|over"
_UNDER = r"<|kurang dari|di bawah|less than|under"
_FIGURE = re.compile(
    rf"\s*(?:(?P<about>{_ABOUT})|(?P<over>{_OVER})|(?P<under>{_UNDER}))?\s*(?P<number>[0-9]+(?:[.,][0-9]+)*)"
    rf"\s*(?P<word>{'|'.join(_WORDS)})?\s*(?P<percent>%|persen|percent|per cent)?\s*(?:orang|jiwa|people)?\s*",
    re.IGNORECASE,
)
_GROUPED = re.compile(r"[0-9]{1,3}(?:[.,][0-9]{3})+")


@dataclass(frozen=True, slots=True)
class Number:
    """What a printed figure may stand for: anything from `low` to `high`, both included."""

    unit: Unit
    value: Fraction
    low: Fraction
    high: Fraction

    def holds(self, value: Fraction) -> bool:
        return self.low <= value <= self.high


def parse(printed: str, claim: str) -> Number | None:
    """`9,6 %`, `9.59%`, `1,2 juta`, `43.336`, `~1000000`: a number and how far it may be off by its rounding.

    Comma and point both part decimals; in a count without a word they part thousands. A count with a word, or one that
    is called about, is as exact as its last digit that is not 0. A number without a sign is a percentage where the
    claim is coverage or attainment. None: unreadable, or both (a count called coverage in so many words).
    """
    found = _FIGURE.fullmatch(printed)
    if found is None:
        return None
    percent = found["percent"] is not None or (claim in ("coverage", "attainment") and found["word"] is None)
    if percent and (found["word"] or claim == "count"):
        return None
    loose = found["about"] is not None
    read = _decimal(found["number"]) if percent else _count(found["number"], found["word"], loose)
    if read is None:
        return None
    value, step = read
    low, high = value - step / 2, value + step / 2
    if found["over"]:
        low, high = value, value + (step or 1)
    if found["under"]:
        low, high = value - (step or 1), value
    return Number("percent" if percent else "people", value, low, high)


def _decimal(text: str) -> tuple[Fraction, Fraction] | None:
    """A value and the step of its last digit."""
    if len(re.findall("[.,]", text)) > 1:
        return None
    number = Decimal(text.replace(",", "."))
    exponent = number.as_tuple().exponent
    return Fraction(number), Fraction(10) ** int(exponent)


def _count(text: str, word: str | None, loose: bool) -> tuple[Fraction, Fraction] | None:
    """People, and the step: 0 where every digit is meant."""
    if word is not None:
        read = _decimal(text)
        scale = 10 ** _WORDS[word.lower()]
        return (read[0] * scale, read[1] * scale) if read else None
    if not text.isdigit() and (not _GROUPED.fullmatch(text) or len(set(re.findall("[.,]", text))) > 1):
        return None
    value = int(re.sub("[.,]", "", text))
    zeros = len(str(value)) - len(str(value).rstrip("0"))
    return Fraction(value), Fraction(10**zeros if loose and value else 0)


class Reading(Model):
    """One meaning that the printed figure could have. `percent` is 100 x numerator / denominator, for attainment 100 x
    numerator / (target x denominator); null for a count. `numerator_from`: the record on that day, or the count printed
    beside the percentage. `on_target_basis`: false where the target is set on another basis than this one. `off`: what
    is printed less this reading, in percentage points or people. `fits`: it is this, as printed."""

    meaning: Literal["count", "coverage", "attainment"]
    basis: Basis | None
    numerator: int
    numerator_from: Literal["record", "printed"]
    denominator: models.Denominator | None
    target: float | None
    on_target_basis: bool | None
    percent: float | None
    off: float
    fits: bool


class Says(Model):
    """What a figure calls itself; null where it does not say."""

    meaning: Claim
    basis: Basis | None


class ClaimChecked(Model):
    """A printed figure against the record. `low` and `high`: what may have been rounded to it. `verdict`: `as_claimed`:
    what it says fits; `otherwise`: other readings fit and what it says does not; `fits`: readings fit and it does not
    say which it is; `none`: no reading fits; `cannot_tell`: see `absent`. `readings`: the nearest first."""

    reported_on: dt.date
    printed: str
    source: str
    origin: str
    says: Says
    unit: Unit | None
    low: float | None
    high: float | None
    verdict: Verdict
    fits: list[Reading]
    readings: list[Reading]
    absent: list[Absent]


_READING = {
    "meaning": "coverage",
    "basis": "recorded",
    "numerator": 43336,
    "numerator_from": "record",
    "denominator": models.EXAMPLE_FIGURES["denominator"],
    "target": None,
    "on_target_basis": None,
    "percent": 9.58566,
    "off": 0.00434,
    "fits": True,
}


class ClaimsAnswer(Model):
    """Figures that offices and press have printed of a region, the latest first, each against the record on its day."""

    model_config = models.example(
        region=models.EXAMPLE_REGION,
        total=1,
        limit=100,
        offset=0,
        items=[
            {
                "reported_on": "2024-12-11",
                "printed": "9.59 %",
                "source": "press",
                "origin": "insidepontianak.com/sambas/34597",
                "says": {"meaning": "coverage", "basis": "recorded"},
                "unit": "percent",
                "low": 9.585,
                "high": 9.595,
                "verdict": "as_claimed",
                "fits": [_READING],
                "readings": [_READING],
                "absent": [],
            }
        ],
        absent=[],
        data=models.EXAMPLE_DATA,
    )

    region: models.RegionName
    total: int
    limit: int
    offset: int
    items: list[ClaimChecked]
    absent: list[Absent]
    data: models.Data


@dataclass(frozen=True)
class Record:
    """What the record holds on the day of a figure. `reasons` say why something is missing."""

    active: int | None
    denominators: Sequence[models.Denominator]
    target: models.Target | None
    reasons: dict[str, str]


def beside(figure: Printed, figures: Sequence[Printed]) -> int | None:
    """The count printed of the same region on the same day, if there is one and it is exact."""
    counts = set()
    for each in figures:
        number = parse(each.printed, each.claim) if each.reported_on == figure.reported_on else None
        if number is not None and number.unit == "people" and number.low == number.high:
            counts.add(int(number.value))
    return counts.pop() if len(counts) == 1 else None


def check(figure: Printed, record: Record, printed_count: int | None) -> ClaimChecked:
    """One figure against the record of its day, and against the count printed beside it."""
    number = parse(figure.printed, figure.claim)
    readings = [] if number is None else sorted(_readings(number, record, printed_count), key=lambda e: abs(e.off))
    fits = [each for each in readings if each.fits]
    absent = dict(record.reasons)
    if number is None:
        absent = dict.fromkeys(("unit", "low", "high", "verdict"), UNREADABLE) | absent
    elif not readings:
        absent = {"verdict": NO_READING.format("; ".join(dict.fromkeys(record.reasons.values())))} | absent
    return ClaimChecked.model_validate(
        {
            "reported_on": figure.reported_on,
            "printed": figure.printed,
            "source": figure.source,
            "origin": figure.origin,
            "says": {"meaning": figure.claim, "basis": figure.basis if figure.basis in BASES else None},
            "unit": number and number.unit,
            "low": rounded(number.low) if number else None,
            "high": rounded(number.high) if number else None,
            "verdict": _verdict(figure, fits) if readings else "cannot_tell",
            "fits": fits,
            "readings": readings,
            "absent": [Absent(field=name, reason=reason) for name, reason in absent.items()],
        }
    )


def _verdict(figure: Printed, fits: Sequence[Reading]) -> Verdict:
    if not fits:
        return "none"
    if figure.claim == "count":
        return "as_claimed"
    if figure.claim == "unclear":
        return "otherwise" if figure.basis in BASES and figure.basis not in {each.basis for each in fits} else "fits"
    said = [each for each in fits if each.meaning == figure.claim]
    if figure.basis not in BASES:
        return "fits" if said else "otherwise"
    return "as_claimed" if any(each.basis == figure.basis for each in said) else "otherwise"


def _readings(number: Number, record: Record, printed_count: int | None) -> Iterator[Reading]:
    if number.unit == "people":
        if record.active is not None:
            yield _reading(number, Fraction(record.active), meaning="count", numerator=record.active)
        return
    for source, people in (("record", record.active), ("printed", printed_count)):
        if people is None:
            continue
        for each in record.denominators:
            yield from _shares(number, record, people, source, each)


def _shares(
    number: Number, record: Record, people: int, source: str, denominator: models.Denominator
) -> Iterator[Reading]:
    if not denominator.value:
        return
    given = {"basis": denominator.basis, "numerator": people, "numerator_from": source, "denominator": denominator}
    coverage = Fraction(100 * people, denominator.value)
    yield _reading(number, coverage, meaning="coverage", **given)
    if record.target is not None:
        more = {"target": record.target.ratio, "on_target_basis": record.target.basis == denominator.basis}
        attainment = coverage / Fraction(str(record.target.ratio))
        yield _reading(number, attainment, meaning="attainment", **given, **more)


def _reading(number: Number, value: Fraction, **given: object) -> Reading:
    empty = dict.fromkeys(("basis", "denominator", "target", "on_target_basis"))
    return Reading.model_validate(
        {
            **empty,
            "numerator_from": "record",
            **given,
            "percent": rounded(value) if number.unit == "percent" else None,
            "off": rounded(number.value - value),
            "fits": number.holds(value),
        }
    )
