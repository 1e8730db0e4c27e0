"""Silence, pure: "no activations" told apart from "no news", and how unusual the present silence is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from api import models
from api.measures.shared import ONE_DAY, Share
from api.models import Absent, Model, RegionName
from events import regions
from events.jsonform import WIB
from events.regions import Region
from projections.measures.silence import Gaps, Said

LEAST_GAPS = 10
State = Literal["activations", "no_activations", "no_news"]
NO_SOURCE = "no source has ever spoken for this region, one above it or one within it"
HIDDEN = "what is said of regions below the public level is left out; it shows to a key whose scope holds them"
NO_NEWS = "no news: the source has not said that it has sent everything of any of these days"
FEW_GAPS = f"cannot_tell: fewer than {LEAST_GAPS} earlier gaps between reports in the last year"
NO_GAP = "the source has reported once in the last year, or never, so there is no gap"


@dataclass(frozen=True, slots=True)
class Window:
    """The whole days that are asked about, and the moment of asking."""

    first: dt.date
    last: dt.date
    now: dt.datetime

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


class Silence(Model):
    """What a source has said of a region, and what came. `inherited`: it speaks for a region above the one asked about.

    `state` is about the days asked about: `no_news` where the source completed none of them; `no_activations` where it
    completed some and there were none on these; else `activations`. `covered_days` are those it completed, and
    `activations` are of residents of `counted_for` on these; `activations_since` on the days after these, as far as
    known. `longer_gaps`: of the earlier gaps between two reports those longer than the present silence; few mean that
    it is unusual.
    """

    source: str
    region: RegionName
    inherited: bool
    counted_for: RegionName
    state: State
    days: int
    covered_days: int
    activations: int | None
    activations_since: int
    reported_at: dt.datetime
    complete_until: dt.datetime
    events_sent: int
    silence_seconds: float
    usual_gap_seconds: float | None
    longer_gaps: Share | None
    absent: list[Absent]


class SilenceAnswer(Model):
    """By source and region that it speaks for; those that have been silent longest come first."""

    model_config = models.example(
        **{"region": models.EXAMPLE_REGION, "at": "2024-06-30T10:00:05Z", "from": "2024-06-23", "to": "2024-06-29"},
        states={"activations": 1, "no_activations": 0, "no_news": 0},
        total=1,
        limit=100,
        offset=0,
        items=[
            {
                "source": "dukcapil-61.01",
                "region": models.EXAMPLE_REGION,
                "inherited": False,
                "counted_for": models.EXAMPLE_REGION,
                "state": "activations",
                "days": 7,
                "covered_days": 7,
                "activations": 910,
                "activations_since": 80,
                "reported_at": "2024-06-30T10:00:00Z",
                "complete_until": "2024-06-30T09:59:00Z",
                "events_sent": 268114,
                "silence_seconds": 5.0,
                "usual_gap_seconds": 3600.0,
                "longer_gaps": {"numerator": 4011, "denominator": 4012, "value": 0.999751},
                "absent": [],
            }
        ],
        absent=[],
        data=models.EXAMPLE_DATA,
    )

    region: RegionName
    at: dt.datetime
    first: dt.date = Field(alias="from")
    last: dt.date = Field(alias="to")
    states: dict[State, int]
    total: int
    limit: int
    offset: int
    items: list[Silence]
    absent: list[Absent]
    data: models.Data


def last_complete(complete_ms: int) -> dt.date:
    """The last day in western Indonesia of which a source has sent everything: a time within a day leaves it open."""
    return dt.datetime.fromtimestamp(complete_ms / 1000, WIB).date() - ONE_DAY


def counted_for(region: Region, said: Said) -> int:
    """The region whose activations are counted: the smaller of the one asked about and the one spoken for."""
    return region.number if said.region in regions.ancestors_of(region.number) else said.region


def state(said: Said, activated: Mapping[dt.date, int], window: Window) -> State:
    """`activated`: activations by day of `counted_for`, at least on the days of the window."""
    covered, found = _covered(said, activated, window)
    return ("activations" if found else "no_activations") if covered else "no_news"


def silence(region: Region, said: Said, gaps: Gaps, activated: Mapping[dt.date, int], window: Window) -> Silence:
    """`activated`: activations by day of `counted_for`, from the first day of the window or that after the last one
    completed, whichever is earlier."""
    covered, found = _covered(said, activated, window)
    reported = _utc(said.reported_ms)
    given = {
        "activations": found if covered else NO_NEWS,
        "usual_gap_seconds": gaps.median_ms / 1000 if gaps.gaps else NO_GAP,
        "longer_gaps": Share.of(gaps.longer, gaps.gaps) if gaps.gaps >= LEAST_GAPS else FEW_GAPS,
    }
    return Silence.model_validate(
        {
            "source": said.source,
            "region": RegionName.of(regions.region(said.region)),
            "inherited": said.region != region.number and said.region in regions.ancestors_of(region.number),
            "counted_for": RegionName.of(regions.region(counted_for(region, said))),
            "state": state(said, activated, window),
            "days": window.days,
            "covered_days": covered,
            "activations_since": sum(n for day, n in activated.items() if day > last_complete(said.complete_ms)),
            "reported_at": reported,
            "complete_until": _utc(said.complete_ms),
            "events_sent": gaps.events_sent,
            "silence_seconds": round((window.now - reported).total_seconds(), 3),
            **{name: None if isinstance(each, str) else each for name, each in given.items()},
            "absent": [Absent(field=k, reason=v) for k, v in given.items() if isinstance(v, str)],
        }
    )


def _covered(said: Said, activated: Mapping[dt.date, int], window: Window) -> tuple[int, int]:
    """Days of the window that the source completed, and activations on these."""
    last = min(last_complete(said.complete_ms), window.last)
    found = sum(n for day, n in activated.items() if window.first <= day <= last)
    return max((last - window.first).days + 1, 0), found


def _utc(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
