"""What routes take: the region in the path, and the query parameters, read strictly and refused by name."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.allowed import ALLOWED, MAX_LIMIT, MAX_OFFSET
from api.clocks import KnownAt, day_of
from api.problems import UnknownRegionCode
from events import regions
from events.errors import UnknownRegion
from events.regions import Region

Basis = Literal["recorded", "wajib_ktp", "holders", "population"]
Interval = Literal["day", "week", "month"]
Sort = Literal["coverage", "numerator", "missing", "name"]

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# A plus sign in a query means a space to most servers; people write it as it is.
_EATEN_PLUS = re.compile(r" (?=[0-9]{2}:?[0-9]{2}$)")


async def region_in(code: Annotated[str, Path(description=ALLOWED["code"], examples=["61.01"])]) -> Region:
    if not code.isascii():
        raise UnknownRegionCode(f"must be {ALLOWED['code']}")
    try:
        return regions.region(regions.parse_code(code))
    except UnknownRegion as error:
        raise UnknownRegionCode(str(error)) from None


RegionInPath = Annotated[Region, Depends(region_in)]


def _read_day(value: Any) -> Any:
    if isinstance(value, str) and _DAY.fullmatch(value):
        return dt.date.fromisoformat(value)
    raise ValueError


def _read_moment(value: Any) -> Any:
    if not isinstance(value, str) or "T" not in value:
        raise ValueError
    at = dt.datetime.fromisoformat(_EATEN_PLUS.sub("+", value))
    if at.tzinfo is None:
        raise ValueError
    try:
        return at.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError from None


def _read_known_at(value: Any) -> Any:
    if isinstance(value, str) and _DAY.fullmatch(value):
        return _read_day(value)
    at = _read_moment(value)
    try:
        day_of(at)
    except OverflowError:
        raise ValueError from None
    return at


Day = Annotated[dt.date, BeforeValidator(_read_day)]
Moment = Annotated[dt.datetime, BeforeValidator(_read_moment)]
DayOrMoment = Annotated[KnownAt, BeforeValidator(_read_known_at)]


class _Strict(BaseModel):
    """A misspelt parameter is an error: silently left out, it would answer another question."""

    model_config = ConfigDict(extra="forbid")


class Paging(_Strict):
    """Which part of a list."""

    limit: int = Field(100, ge=1, le=MAX_LIMIT, description="Most items to give.", examples=[10])
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="Items to leave out at the start.", examples=[0])


class CoverageQuery(_Strict):
    """Which coverage."""

    as_of: Day | None = Field(
        None, description="End of which day in western Indonesia; today if left out.", examples=["2024-06-30"]
    )
    basis: Basis | None = Field(
        None,
        description="What to divide by; the applicable target's basis if left out, else `recorded`.",
        examples=["recorded", "population"],
    )
    estimate: bool = Field(
        False, description="Take an estimate where no denominator is published, and say so.", examples=[True]
    )


class KnownQuery(CoverageQuery):
    """Which coverage, and when."""

    known_at: DayOrMoment | None = Field(
        None,
        description="As it would have been reported then: only what was recorded by the end of this day in western"
        " Indonesia, or by this time. `as_of` is this day if left out.",
        examples=["2024-07-01", "2024-07-01T10:00:00+07:00"],
    )


class RestatementQuery(_Strict):
    """Which reports."""

    first: Day | None = Field(
        None,
        alias="from",
        description="The day of the earlier report; `as_of` if left out, else the day of the later one.",
        examples=["2024-07-01"],
    )
    last: Day | None = Field(
        None, alias="to", description="The day of the later report; today if left out.", examples=["2024-12-31"]
    )
    as_of: Day | None = Field(
        None, description="The day that both reports are of; `from` if left out.", examples=["2024-06-30"]
    )
    basis: Basis | None = Field(
        None,
        description="What to divide by in both; that of the target known at `from` if left out, else `recorded`.",
        examples=["recorded", "population"],
    )
    estimate: bool = Field(
        False, description="Take an estimate where no denominator is published, and say so.", examples=[True]
    )


class Ranked(Paging):
    """Which part of which ranking."""

    sort: Sort = Field("coverage", description="Rank by; what is absent comes last.", examples=["numerator"])
    order: Literal["asc", "desc"] | None = Field(
        None, description="`desc` if left out, for `name` `asc`.", examples=["desc"]
    )

    @property
    def direction(self) -> Literal["asc", "desc"]:
        return self.order or ("asc" if self.sort == "name" else "desc")


class ChildrenQuery(KnownQuery, Ranked):
    """Which ranking."""


class VillagesQuery(CoverageQuery, Ranked):
    """Which ranking, as known now."""


class SeriesQuery(_Strict):
    """Which periods."""

    interval: Interval = Field("day", description="Length of a period; weeks begin on Monday.", examples=["month"])
    first: Day | None = Field(
        None, alias="from", description="First day; the first day of data if left out.", examples=["2024-06-01"]
    )
    last: Day | None = Field(
        None, alias="to", description="Last day; the last day of data if left out.", examples=["2024-06-30"]
    )
    known_at: DayOrMoment | None = Field(
        None,
        description="As it would have been reported then: only what was recorded by the end of this day in western"
        " Indonesia, or by this time, and no later day.",
        examples=["2024-07-01", "2024-07-01T10:00:00+07:00"],
    )


class RatesQuery(_Strict):
    """Which moment."""

    at: Moment | None = Field(
        None, description="End of the windows; now if left out.", examples=["2024-06-30T10:00:00+07:00"]
    )


class IntegrityQuery(_Strict):
    """Which days."""

    first: Day | None = Field(
        None, alias="from", description="First day; a week before `to` if left out.", examples=["2024-06-01"]
    )
    last: Day | None = Field(None, alias="to", description="Last day; today if left out.", examples=["2024-06-30"])


class NoQuery(_Strict):
    """No parameter."""


PagingQ = Annotated[Paging, Query()]
KnownQ = Annotated[KnownQuery, Query()]
RestatementQ = Annotated[RestatementQuery, Query()]
ChildrenQ = Annotated[ChildrenQuery, Query()]
VillagesQ = Annotated[VillagesQuery, Query()]
SeriesQ = Annotated[SeriesQuery, Query()]
RatesQ = Annotated[RatesQuery, Query()]
IntegrityQ = Annotated[IntegrityQuery, Query()]
NothingQ = Annotated[NoQuery, Query()]
