"""The rules that every event keeps, for one event and, the same ones, for a batch of columns.

A rule's reason names the field and what is allowed, and never repeats the value: it may be personal data.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from events import identity, regions
from events.errors import RuleBroken

Codes = npt.NDArray[np.int64]

EARLIEST_MS = 1_640_995_200_000  # 2022-01-01T00:00:00Z: before the first IKD
LATEST_AHEAD_MS = 86_400_000  # a day: clocks of offices differ, dates of the future don't happen
LONGEST_TEXT = 200

# A NIK has 16 digits, written in one piece or in groups. Longer runs are refused too: a NIK may stand inside one.
NIK = re.compile(r"\d{16}|\d{4}([ .\-])\d{4}\1\d{4}\1\d{4}|\d{6}([ .\-])\d{6}\2\d{4}")
_NIK_POLARS = r"\d{16}|\d{4}[ .\-]\d{4}[ .\-]\d{4}[ .\-]\d{4}|\d{6}[ .\-]\d{6}[ .\-]\d{4}"

NOT_UUID7 = "is no UUIDv7"
NOT_IN_TIME = "lies before 2022-01-01 or more than a day after the record arrived"
NOT_A_VILLAGE = "is no village of the register"
NOT_A_REGION = "is no region of the register"
LOOKS_LIKE_NIK = "holds 16 digits, which looks like a NIK; personal data is refused"
TOO_LONG = f"is longer than {LONGEST_TEXT} characters"
EMPTY = "is empty"

# Days and times that a table can hold, 1900 to 2299: what lies outside is cut there, or stops the driver.
_DAYS = (-25_567, 120_529, "must be a day from 1900-01-01 to 2299-12-31")
_TIMES = (-25_567 * 86_400_000, 120_530 * 86_400_000 - 1, "must be a time from 1900 to 2299")

# Numbers and what they may be. Columns that a type lacks are not looked at.
NUMBERS: dict[str, tuple[float, float, str]] = {
    "team_size": (0, 10_000, "must be 0 to 10,000 officers"),
    "hours": (0, 744, "must be 0 to 744 hours"),
    "reached": (0, 10_000_000, "must be 0 to 10,000,000 people"),
    "registered": (0, 10_000_000, "must be 0 to 10,000,000 people"),
    "activated": (0, 10_000_000, "must be 0 to 10,000,000 people"),
    "reach": (0, 1_000_000_000, "must be 0 to 1,000,000,000 people"),
    "value": (1, 1_000_000_000, "must be 1 to 1,000,000,000 people"),
    "ratio": (0.000001, 1, "must be above 0 and at most 1"),
    "events_sent": (0, 10**15, "must be 0 or more"),
    "measured": (0, 10**15, "must be 0 or more"),
    "threshold": (0, 10**15, "must be 0 or more"),
    "planned_for": _DAYS,
    "vintage": _DAYS,
    "valid_from": _DAYS,
    "valid_to": _DAYS,
    "reported_on": _DAYS,
    "complete_until": _TIMES,
    "since": _TIMES,
}
TIMES = ("occurred_at", "recorded_at")
REGIONS = ("service_region", "region")
# An origin is a citation: an address of a web page may hold a long number. The 16-digit rule still holds.
TEXTS = ("source", "place", "origin", "method", "printed", "reason", "subject", "acknowledged_by")
REQUIRED_TEXTS = ("source", "place", "origin", "printed", "acknowledged_by")


def looks_like_nik(text: str) -> bool:
    return NIK.search(text) is not None


def check(values: Mapping[str, Any], arrived_ms: int) -> None:
    """Raises RuleBroken for the first rule that one decoded event breaks.

    `values` has times as epoch milliseconds and codes as numbers; `arrived_ms` is the broker's time of arrival.
    """
    for name in TIMES:
        if not _in_time(values[name], arrived_ms):
            raise RuleBroken(name, NOT_IN_TIME)
    if not identity.is_uuid7(values["event_id"]):
        raise RuleBroken("event_id", NOT_UUID7)
    if not _in_time(identity.event_time_ms(values["event_id"]), arrived_ms):
        raise RuleBroken("event_id", f"holds a time that {NOT_IN_TIME}")
    if "domicile" in values and values["domicile"] not in regions.village_numbers():
        raise RuleBroken("domicile", NOT_A_VILLAGE)
    counterpart = values.get("counterpart")
    if counterpart is not None and counterpart not in regions.village_numbers():
        raise RuleBroken("counterpart", NOT_A_VILLAGE)
    for name in REGIONS:
        if name in values and values[name] not in regions.by_number():
            raise RuleBroken(name, NOT_A_REGION)
    if any(code not in regions.by_number() for code in values.get("regions", ())):
        raise RuleBroken("regions", NOT_A_REGION)
    for name in TEXTS:
        _check_text(name, values.get(name))
    for name, (low, high, reason) in NUMBERS.items():
        if values.get(name) is not None and not low <= values[name] <= high:
            raise RuleBroken(name, reason)


def broken_rows(frame: pl.DataFrame, arrived_ms: pl.Series) -> pl.Series:
    """True where a row breaks a rule: the same rules over columns, to find out cheaply that there is none."""
    columns = set(frame.columns)
    latest = pl.lit(arrived_ms) + LATEST_AHEAD_MS
    bad = [_bad_event_id(latest)]
    bad += [~pl.col(name).is_between(pl.lit(EARLIEST_MS), latest) for name in TIMES]
    bad += [pl.lit(_unknown(frame[n], _villages())) for n in ("domicile", "counterpart") if n in columns]
    bad += [pl.lit(_unknown(frame[n], _all_regions())) for n in REGIONS if n in columns]
    if "regions" in columns:
        known = pl.Series(_all_regions()).implode()
        bad.append(pl.col("regions").list.eval(~pl.element().is_in(known)).list.any())
    for name in TEXTS:
        if name in columns:
            text = pl.col(name)
            bad.append(text.str.contains(_NIK_POLARS) | (text.str.len_chars() > LONGEST_TEXT))
        if name in columns and name in REQUIRED_TEXTS:
            bad.append(pl.col(name) == "")
    bad += [~pl.col(n).is_between(low, high) for n, (low, high, _) in NUMBERS.items() if n in columns]
    return frame.select(pl.any_horizontal(*(each.fill_null(False) for each in bad)).alias("bad")).to_series()


def _check_text(name: str, text: str | None) -> None:
    if text is None:
        return
    if text == "" and name in REQUIRED_TEXTS:
        raise RuleBroken(name, EMPTY)
    if looks_like_nik(text):
        raise RuleBroken(name, LOOKS_LIKE_NIK)
    if len(text) > LONGEST_TEXT:
        raise RuleBroken(name, TOO_LONG)


def _in_time(at_ms: int, arrived_ms: int) -> bool:
    return EARLIEST_MS <= at_ms <= arrived_ms + LATEST_AHEAD_MS


def _bad_event_id(latest: pl.Expr) -> pl.Expr:
    high = pl.col("event_id").bin.slice(0, 8).bin.reinterpret(dtype=pl.UInt64, endianness="big")
    low = pl.col("event_id").bin.slice(8, 8).bin.reinterpret(dtype=pl.UInt64, endianness="big")
    at = (high // 2**16).cast(pl.Int64)
    return (high // 2**12 % 16 != 7) | (low // 2**62 != 2) | ~at.is_between(pl.lit(EARLIEST_MS), latest)


def _unknown(codes: pl.Series, known: Codes) -> pl.Series:
    """True where a code is not among the known ones, which are sorted: a search costs less than a hash of 92,000."""
    numbers = (codes.fill_null(known[0]) if codes.null_count() else codes).to_numpy()
    places = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return pl.Series(known[places] != numbers)


@functools.cache
def _villages() -> Codes:
    return np.array(sorted(regions.village_numbers()), dtype=np.int64)


@functools.cache
def _all_regions() -> Codes:
    return np.array(sorted(regions.by_number()), dtype=np.int64)
