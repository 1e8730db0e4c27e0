"""Which counts of a day would tell too much, pure: cells too small to show, and cells that would tell those.

A count is *small* from 1 to `smallest` - 1. Others are shown rounded down to a multiple of `smallest`, so a
difference between days, or between a region and those within it, tells a range and not a number. What is left to be
told are sums whose rounded parts leave no room: five villages of 4 people in a district that shows 20. So each small
count has to have *another world*: in it the count is one more or one less, and all that is shown is the same. Where
there is none, one more sibling is withheld, the smallest that is not small, else one with nobody; where there is
none of either, the region above is. Where a region is withheld, so is all within it.

A world is changed by one person: the region and all above it stay in their rounded ranges, or one less is counted in
a region beside it or beside one above it, where that one and some within stay in theirs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from events import regions

Read = Callable[[Sequence[int]], Mapping[int, int]]
MORE_OR_LESS = (1, -1)


@dataclass
class Known:
    """What was found out of one day: people by region (0: nobody, or never named), tables by the region above."""

    counts: dict[int, int] = field(default_factory=dict)
    tables: dict[int, Table] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """The regions directly below one: those withheld, and whether hiding them takes withholding the one above too."""

    withheld: Collection[int] = ()
    opens: bool = False


class Suppression:
    """Of one day. `read` gives active people of some regions, those that events have named; what it raises passes.

    `below` gives the regions directly below one; the register's, if left out.
    """

    def __init__(
        self,
        read: Read,
        smallest: int,
        known: Known | None = None,
        below: Callable[[int], Sequence[int]] | None = None,
    ) -> None:
        self._read = read
        self._smallest = smallest
        self._known = known or Known()
        self._below = below or regions.numbers_below

    def withheld(self, code: int) -> bool:
        """Whether the region is not told: by itself, to keep another from being told, or with one above it."""
        chain = regions.ancestors_of(code)
        if self._is_small(self._count(chain[-1])) or self._opens(chain[-1]):
            return True
        return any(each in self._table(above).withheld for each, above in itertools.pairwise(chain))

    def rounded(self, count: int) -> int:
        """The count as it is shown."""
        return count - count % self._smallest

    def _is_small(self, count: int) -> bool:
        return 0 < count < self._smallest

    def _table(self, above: int) -> Table:
        if above not in self._known.tables:
            self._known.tables[above] = self._make(above)
        return self._known.tables[above]

    def _make(self, above: int) -> Table:
        counts = self._inhabited(above)
        small = {each for each, count in counts.items() if self._is_small(count) or self._opens(each)}
        exposed = [each for each in small if not self._is_hidden(each, above)]
        if not exposed:
            return Table(small)
        if larger := [each for each in counts if each not in small]:
            return Table(small | {min(larger, key=lambda each: (counts[each], each))})
        empty = [each for each in self._below(above) if each not in counts]
        # Somebody less there, and one person here, where nobody is: not of a count of 1, which would be nobody.
        if empty and all(counts[each] > 1 for each in exposed):
            return Table(small | {empty[0]})
        return Table(small, opens=True)

    def _opens(self, code: int) -> bool:
        """Whether the region's count would tell those below it, though it is not small itself."""
        below = self._below(code)
        few = self._smallest <= self._count(code) < self._smallest * len(below)  # else one below is not small
        return few and self._table(code).opens

    def _is_hidden(self, code: int, above: int) -> bool:
        """Whether another world shows the same."""
        return any(self._stays_withheld(code, by) and self._is_made_up(code, above, by) for by in MORE_OR_LESS)

    def _stays_withheld(self, code: int, by: int) -> bool:
        count = self._count(code)
        if self._is_small(count):
            return self._is_small(count + by)
        return any(self._is_small(each + by) for each in self._inhabited(code).values())

    def _is_made_up(self, code: int, above: int, by: int) -> bool:
        """Whether what changes in one region is made up for beside it, or stays unseen in all above it."""
        if any(each != code and self._can_change(each, -by) for each in self._inhabited(above)):
            return True
        if not self._shows_alike(self._count(above), by):
            return False
        parent = regions.parent_of(above)
        return parent is None or self._is_made_up(above, parent, by)

    def _can_change(self, code: int, by: int) -> bool:
        """Whether one more or less can be counted in a region, with all that is shown of it and within it alike."""
        count = self._count(code)
        if not self._shows_alike(count, by):
            return False
        return self._is_small(count) or not self._below(code) or self._any_below(code, by)

    def _any_below(self, code: int, by: int) -> bool:
        return any(self._can_change(each, by) for each in self._inhabited(code))

    def _shows_alike(self, count: int, by: int) -> bool:
        if self._is_small(count):
            return self._is_small(count + by)
        return count > 0 and self.rounded(count) == self.rounded(count + by)

    def _count(self, code: int) -> int:
        return self._counts((code,))[code]

    def _inhabited(self, above: int) -> dict[int, int]:
        """People by region directly below one, where there are some."""
        below = self._below(above)
        counts = self._counts(below)
        return {each: counts[each] for each in below if counts[each]}

    def _counts(self, codes: Sequence[int]) -> Mapping[int, int]:
        counts = self._known.counts
        if missing := [each for each in codes if each not in counts]:
            read = self._read(missing)
            counts.update((each, read.get(each, 0)) for each in missing)
        return counts
