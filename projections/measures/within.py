"""The codes within a region, as ranges, for statements about tables whose key begins with a region of any level."""

from __future__ import annotations

import datetime as dt

from projections.answers import LEVEL_DIGITS, VILLAGE_DIGITS, digits, villages_of


def ranges_within(region: int) -> dict[str, int]:
    """`low_2` and `high_2`, `low_4` ...: lowest and highest code of each level below the region's; (1, 0) where a level
    is not within it."""
    low, high = villages_of(region)
    own = digits(region)
    found: dict[str, int] = {}
    for each in LEVEL_DIGITS:
        cut = 10 ** (VILLAGE_DIGITS - each)
        found[f"low_{each}"], found[f"high_{each}"] = (low // cut, high // cut) if each > own else (1, 0)
    return found


def reported(region: int, first: dt.date, last: dt.date) -> dict[str, object]:
    """What `queries/parts/reports` asks for: outreach from a region and within it, on days both included."""
    return {"region": region, "prefix": prefix_of(region), "first": first, "last": last, **ranges_within(region)}


def prefix_of(region: int) -> str:
    """What the codes within a region begin with, as text; of the nation nothing."""
    return str(region) if region else ""
