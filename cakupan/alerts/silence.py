"""silence: a source has said nothing for longer than it ever does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction

from api.measures.live import SILENT
from api.measures.silence import LEAST_GAPS
from cakupan.alerts.finding import Finding, Key
from events import regions
from projections.clickhouse import Database
from projections.measures import alerts as read
from projections.measures.alerts import Gaps, Speaker
from projections.measures.silence import said

HOUR_MS = 3_600_000
LEAST_MS = int(SILENT.total_seconds() * 1000)
USUAL = Fraction(99, 100)  # of the gaps are what a source usually takes
SLACK = Fraction(3, 2)  # so many times that, and it is raised


class Silences:
    """Remembers the gaps that sources had: they don't change while nothing is said."""

    def __init__(self) -> None:
        self._gaps: dict[tuple[Speaker, int], Gaps] = {}

    def find(self, database: Database, now: dt.datetime, open_: Collection[Key]) -> Iterator[Finding]:
        """Every source that has been silent for an hour or has an open alert, and has a past to be measured by."""
        now_ms = round(now.timestamp() * 1000)
        asked = {
            Speaker(each.region, each.source): each.reported_ms
            for each in said(database, regions.NATION, now)
            if now_ms - each.reported_ms >= LEAST_MS or Key("silence", each.region, each.source) in open_
        }
        for speaker, usual in self._usual(database, asked, now_ms).items():
            if usual.gaps >= LEAST_GAPS:
                yield finding(speaker, asked[speaker], usual, now_ms)

    def _usual(self, database: Database, asked: Mapping[Speaker, int], now_ms: int) -> dict[Speaker, Gaps]:
        unread = [speaker for speaker, reported_ms in asked.items() if (speaker, reported_ms) not in self._gaps]
        new = read.gaps(database, unread, now_ms, USUAL)
        known = {key: gaps for key, gaps in self._gaps.items() if asked.get(key[0]) == key[1]}
        self._gaps = known | {(speaker, asked[speaker]): gaps for speaker, gaps in new.items()}
        return {speaker: gaps for (speaker, _), gaps in self._gaps.items()}


def finding(speaker: Speaker, reported_ms: int, usual: Gaps, now_ms: int) -> Finding:
    """Seconds of silence, against the gaps that the source had."""
    silent_ms = now_ms - reported_ms
    raise_ms = max(LEAST_MS, round(usual.longest_ms * SLACK))
    if silent_ms >= raise_ms:
        reason = (
            f"nothing heard for {_hours(silent_ms)} h; 99 of 100 earlier gaps were at most {_hours(usual.longest_ms)} h"
        )
    else:
        reason = f"heard {_hours(silent_ms)} h ago"
    key = Key("silence", *speaker)
    return Finding(key, silent_ms / 1000, raise_ms / 1000, float(raise_ms / SLACK / 1000), reported_ms, reason)


def _hours(ms: int) -> str:
    return f"{ms / HOUR_MS:.1f}"
