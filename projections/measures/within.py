"""The codes within a region, as ranges, for statements about tables whose key begins with a region of any level."""

from __future__ import annotations

from events import regions
from projections.answers import VILLAGE_DIGITS, villages_of

DIGITS = (2, 4, 6, VILLAGE_DIGITS)


def ranges_within(region: int) -> dict[str, int]:
    """`low_2` and `high_2`, `low_4` ...: lowest and highest code of each level below the region's; (1, 0) where a level
    is not within it."""
    low, high = villages_of(region)
    own = _digits(region)
    found: dict[str, int] = {}
    for digits in DIGITS:
        cut = 10 ** (VILLAGE_DIGITS - digits)
        found[f"low_{digits}"], found[f"high_{digits}"] = (low // cut, high // cut) if digits > own else (1, 0)
    return found


def digits_below(region: int) -> int:
    """Of the codes directly below a region; of a village, its own."""
    return next((each for each in DIGITS if each > _digits(region)), VILLAGE_DIGITS)


def _digits(region: int) -> int:
    return 0 if region == regions.NATION else len(str(region))
