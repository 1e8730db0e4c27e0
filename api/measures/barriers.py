"""Barriers, pure: what an office can do about each reason, shapes of the answer, and counts to figures."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import ConfigDict, Field

from api.measures.shared import Share
from api.models import EXAMPLE_DATA, EXAMPLE_REGION, Absent, Data, Model, RegionName
from events import regions
from projections.measures.barriers import By, Failed

CanFix = Literal["yes", "no", "cannot_tell"]

# What an office can do about each reason, in one place. "yes": by its own means, or by calling those whose system is
# down, for the person in front of it. "no": the person would need another phone, another age or another mind.
OFFICE: dict[str, tuple[CanFix, str | None]] = {
    "no_connectivity": ("yes", "come with a connection: a mobile unit, or a place that has one"),
    "time_out": ("yes", "try again at a quiet hour; report where it comes often"),
    "data_mismatch": ("yes", "correct the record at the desk"),
    "face_mismatch": ("yes", "better light; take the photograph anew"),
    "device_already_bound": ("yes", "release the old device at the desk"),
    "storage_full": ("yes", "help to make room on the phone"),
    "camera_fault": ("yes", "clean the lens, allow the camera, or use the office's own device for the face"),
    "no_email": ("yes", "help to open an address"),
    "not_recorded": ("yes", "record biometrics on the spot"),
    "siak_down": ("yes", "report it; note who came and call them back"),
    "code_not_received": ("yes", "check the address and number, send it again"),
    "code_expired": ("yes", "send another while the person is there"),
    "nik_inactive": ("yes", "have the number made active again at the desk"),
    "os_unsupported": ("no", None),
    "no_smartphone": ("no", None),
    "under_age": ("no", None),
    "refused_privacy": ("no", None),
    "unknown": ("cannot_tell", None),
    "other": ("cannot_tell", None),
}

FEWEST_TOLD = 5

FUTURE = "from is in the future"
UNHEARD = "no data: nothing had been heard of this region by then, neither an event nor a source"
THIN = f"cannot_tell: fewer than {FEWEST_TOLD} failed attempts whose reason says whether an office can fix it"


class Part(Model):
    """Failed attempts of one part. `share` is of all of the answer. `fixable`: those that an office can fix, of those
    whose reason says; `cannot_tell` are the others. `region` where it is by region."""

    part: str
    region: RegionName | None
    share: Share
    fixable: Share
    cannot_tell: int


class Reason(Model):
    """Whether an office can fix a reason, and how."""

    reason: str
    office_can_fix: CanFix
    how: str | None


def can_fix(reason: str) -> CanFix:
    """A reason that is in no table yet is one of which nobody can tell."""
    return OFFICE.get(reason, ("cannot_tell", None))[0]


def figures(found: Iterable[Failed], by: By) -> dict[str, Any]:
    """The fields of an answer that come from counts, with what is absent of them."""
    by_part: dict[str, Counter[str]] = defaultdict(Counter)
    for each in found:
        by_part[each.part][each.reason] += each.attempts
    reasons = sum(by_part.values(), Counter[str]())
    total = reasons.total()
    parts = [_part(name, counts, total, by) for name, counts in by_part.items()]
    fixable = _fixable(reasons)
    absent = [_thin("fixable.value")] if fixable.value is None else []
    absent += [_thin(f"parts.{each.part}.fixable.value") for each in parts if each.fixable.value is None]
    return {
        "attempts_failed": total,
        "fixable": fixable,
        "cannot_tell": total - fixable.denominator,
        "parts": sorted(parts, key=lambda each: (-each.share.numerator, each.part)),
        "reasons": [_reason(each) for each in sorted(reasons)],
        "absent": absent,
    }


def nothing(reason: str) -> dict[str, Any]:
    """The same where nothing can be said."""
    fields = ("attempts_failed", "fixable", "cannot_tell", "parts")
    return {
        "attempts_failed": None,
        "fixable": None,
        "cannot_tell": None,
        "parts": [],
        "reasons": [],
        "absent": [Absent(field=each, reason=reason) for each in fields],
    }


def _part(name: str, counts: Counter[str], total: int, by: By) -> Part:
    region = regions.by_number().get(int(name)) if by == "region" else None
    attempts = counts.total()
    fixable = _fixable(counts)
    return Part(
        part=regions.format_code(int(name)) if by == "region" else name,
        region=RegionName.of(region) if region else None,
        share=Share.of(attempts, total),
        fixable=fixable,
        cannot_tell=attempts - fixable.denominator,
    )


def _fixable(counts: Counter[str]) -> Share:
    told: Counter[CanFix] = Counter()
    for reason, attempts in counts.items():
        told[can_fix(reason)] += attempts
    return Share.of(told["yes"], told["yes"] + told["no"], FEWEST_TOLD)


def _thin(field: str) -> Absent:
    return Absent(field=field, reason=THIN)


def _reason(name: str) -> Reason:
    fix, how = OFFICE.get(name, ("cannot_tell", None))
    return Reason(reason=name, office_can_fix=fix, how=how)


_FAILED = [
    Failed("no_connectivity", "no_connectivity", 40),
    Failed("no_smartphone", "no_smartphone", 25),
    Failed("code_expired", "code_expired", 12),
    Failed("other", "other", 3),
]
_EXAMPLE: dict[str, Any] = {
    "region": EXAMPLE_REGION,
    "from": "2024-04-02",
    "to": "2024-06-30",
    "by": "reason",
    **{
        name: [each.model_dump(mode="json") for each in value]
        if isinstance(value, list)
        else value.model_dump(mode="json")
        if isinstance(value, Model)
        else value
        for name, value in figures(_FAILED, "reason").items()
    },
    "data": EXAMPLE_DATA,
}


class BarriersAnswer(Model):
    """Attempts of a region's residents that failed in a period, and by what. Attempts, not people: who tried three
    times is in it three times."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, json_schema_extra={"examples": [_EXAMPLE]})

    region: RegionName
    first: dt.date = Field(alias="from")
    last: dt.date = Field(alias="to")
    by: By
    attempts_failed: int | None
    fixable: Share | None
    cannot_tell: int | None
    parts: list[Part]
    reasons: list[Reason]
    absent: list[Absent]
    data: Data
