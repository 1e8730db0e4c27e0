"""An attempt to recover counts from what is shown of them: exact bounds of every count in a tree of sums.

What an attacker knows of a region is a range: 0 where 0 is shown, the rounded count and what lies above it, and of what
is withheld, that it is small. Where it is withheld for another's sake, that it is a count; the attacker is told which
those are, which is more than the API tells. Sums over a tree whose leaves are whole numbers allow exactly what two
passes leave: up, what the parts allow their sum; down, what the sum and the other parts allow each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ENDLESS = 10**12


@dataclass(frozen=True)
class Range:
    """Both ends are possible."""

    low: int
    high: int = ENDLESS

    def within(self, low: int, high: int) -> Range:
        found = Range(max(self.low, low), min(self.high, high))
        assert found.low <= found.high, "what is shown contradicts itself"
        return found

    @property
    def told(self) -> bool:
        return self.low == self.high


Tree = Mapping[int, Sequence[int]]  # regions by the one above


def bounds(top: int, below: Tree, known: Mapping[int, Range]) -> dict[int, Range]:
    """What each count can be, if the regions directly below one add up to it."""
    found = dict(known)
    _up(top, below, found)
    _down(top, below, found)
    return found


def _up(code: int, below: Tree, found: dict[int, Range]) -> None:
    parts = below.get(code, ())
    for each in parts:
        _up(each, below, found)
    if parts:
        found[code] = found[code].within(
            sum(found[each].low for each in parts), sum(found[each].high for each in parts)
        )


def _down(code: int, below: Tree, found: dict[int, Range]) -> None:
    parts = below.get(code, ())
    low, high = sum(found[each].low for each in parts), sum(found[each].high for each in parts)
    whole = found[code]
    tightened = {
        each: found[each].within(whole.low - high + found[each].high, whole.high - low + found[each].low)
        for each in parts
    }
    found.update(tightened)
    for each in parts:
        _down(each, below, found)
