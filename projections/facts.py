"""What is known of regions beside events, in memory: every count and target, and since when sources speak for them.

They are few, and every answer needs some: asking the tables for them cost more than all the rest of an answer. Each
fact carries when it was recorded, so what was known at any time can be asked of the same rows.
"""

from __future__ import annotations

import datetime as dt
import functools
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable

from events import regions
from projections import sql
from projections.answers import BY_NOW, EARLIEST_DAY, Denominator, Reference, Target
from projections.base import EPOCH
from projections.clickhouse import Database

NEVER = BY_NOW + 1
DAYS_KEPT = 1024  # counts of many regions are released for the same few days

# The tables that `references` and `sources` read.
OF_REFERENCES = ("denominator", "target")
OF_SOURCES = ("source_stand",)

Release = tuple[int, int, int, int, str, str, str]  # region, vintage, recorded_ms, value, basis, origin, method


class Counts:
    """Counts of people as released. `rows` come by region, vintage, time of recording and event."""

    def __init__(self, rows: Iterable[Release]) -> None:
        # Columns: as objects, the counts of all villages over some years would take hundreds of megabytes.
        self._region, self._vintage, self._recorded, self._value = array("q"), array("q"), array("q"), array("Q")
        self._said: list[tuple[str, str, str]] = []
        alike: dict[tuple[str, str, str], tuple[str, str, str]] = {}
        for region, vintage, recorded_ms, value, basis, origin, method in rows:
            self._region.append(region)
            self._vintage.append(vintage)
            self._recorded.append(recorded_ms)
            self._value.append(value)
            said = basis, origin, method
            self._said.append(alike.setdefault(said, said))

    def on(self, region: int, day: dt.date, known_ms: int) -> dict[tuple[int, str, bool], Denominator]:
        """For each basis the latest count, published and estimated apart, of those recorded by a time."""
        as_of = (day - EPOCH).days
        first: dict[tuple[int, str, bool], int] = {}
        latest: dict[tuple[int, str, bool], int] = {}
        for row in range(bisect_left(self._region, region), bisect_right(self._region, region)):
            if self._recorded[row] > known_ms:
                continue
            basis, _, method = self._said[row]
            key = region, basis, method != ""
            first.setdefault(key, row)
            if self._vintage[row] <= as_of:
                latest[key] = row
        return {key: self._denominator(latest.get(key), row) for key, row in first.items()}

    def _denominator(self, latest: int | None, first: int) -> Denominator:
        since = _date(self._vintage[first])
        if latest is None:
            return Denominator(None, None, since, "", "")
        _, origin, method = self._said[latest]
        return Denominator(self._value[latest], _date(self._vintage[latest]), since, origin, method)


class References:
    """All counts and targets. `targets`: each with when it was recorded, by region, first day, that time and event."""

    def __init__(self, counts: Iterable[Release], targets: Iterable[tuple[Target, int]]) -> None:
        self._counts = Counts(counts)
        self._targets: dict[int, list[tuple[Target, int]]] = defaultdict(list)
        for target, recorded_ms in targets:
            self._targets[target.region].append((target, recorded_ms))

    def on(self, codes: Iterable[int], as_of: dt.date, known_ms: int = BY_NOW) -> Reference:
        """What holds on a day for some regions, of what was recorded by a time. Of several, the one recorded last."""
        codes = list(codes)
        return self._reference(codes, codes, as_of, known_ms)

    def about(self, codes: Iterable[int], as_of: dt.date, known_ms: int = BY_NOW) -> Reference:
        """The same, with the targets of all regions above: one holds within its region where none is nearer."""
        codes = list(codes)
        above = {each for code in codes for each in regions.ancestors_of(code)}
        return self._reference(codes, above, as_of, known_ms)

    def _reference(self, counted: Iterable[int], aimed: Iterable[int], as_of: dt.date, known_ms: int) -> Reference:
        found, day = Reference(), max(as_of, EARLIEST_DAY)
        for region in counted:
            found.denominators |= self._counts.on(region, day, known_ms)
        for region in aimed:
            target = self._target(region, day, known_ms)
            if target is not None:
                found.targets[region] = target
        return found

    def _target(self, region: int, day: dt.date, known_ms: int) -> Target | None:
        issued: dict[dt.date, Target] = {}
        for target, recorded_ms in self._targets.get(region, ()):
            if target.valid_from <= day and recorded_ms <= known_ms:
                # Issued again, say with an end, it takes the place of the one before it.
                issued[target.valid_from] = target
        valid = [each for each in issued.values() if each.valid_to is None or each.valid_to >= day]
        return valid[-1] if valid else None


class Sources:
    """Which regions some source speaks for. `spoken`: each with the time of the first report about it, and up to when a
    source vouches that it has sent everything; milliseconds since 1970."""

    def __init__(self, spoken: Iterable[tuple[int, int, int]]) -> None:
        self._firsts: dict[int, int] = {}
        self._untils: dict[int, int] = {}
        self._firsts_within: dict[int, int] = {}
        self._untils_within: dict[int, int] = {}
        for region, first_ms, until_ms in spoken:
            self._firsts[region], self._untils[region] = first_ms, until_ms
            for above in regions.ancestors_of(region):
                self._firsts_within[above] = min(first_ms, self._firsts_within.get(above, NEVER))
                self._untils_within[above] = max(until_ms, self._untils_within.get(above, until_ms))

    def heard(self, region: int, known_ms: int = BY_NOW) -> bool:
        """Whether a source had spoken by a time for the region, one above it or one within it."""
        above = (self._firsts.get(each, NEVER) for each in regions.ancestors_of(region))
        return min(self._firsts_within.get(region, NEVER), *above) <= known_ms

    def until(self, region: int) -> int | None:
        """Up to when a source for the region, one above it or one within it vouches; None: there is none."""
        above = (self._untils.get(each) for each in regions.ancestors_of(region))
        return max((each for each in (self._untils_within.get(region), *above) if each is not None), default=None)

    def vouch(self, region: int, since_ms: int) -> bool:
        """Whether one of them vouches for a time or later."""
        until = self.until(region)
        return until is not None and until >= since_ms


def references(database: Database) -> References:
    """All counts and targets that the tables hold."""
    targets = database.stream(sql.query("reference_targets"))
    return References(
        database.stream(sql.query("reference_denominators")),
        [(Target(*target), recorded_ms) for *target, recorded_ms in targets],
    )


def sources(database: Database) -> Sources:
    """All regions that sources speak for."""
    return Sources(database.stream(sql.query("sources_stand")))


@functools.lru_cache(DAYS_KEPT)
def _date(days: int) -> dt.date:
    return EPOCH + dt.timedelta(days=days)
