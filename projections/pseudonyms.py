"""Ranges of pseudonyms. They are random, so their first two bytes share people out evenly."""

from __future__ import annotations

import itertools

PREFIXES = 1 << 16


def cut(count: int, start: int = 0) -> list[tuple[int, int]]:
    """The first and the last prefix of each of `count` ranges, at most, that hold everybody from `start` on."""
    count = min(count, PREFIXES - start)
    bounds = [start + each * (PREFIXES - start) // count for each in range(count)] + [PREFIXES] if count > 0 else []
    return [(low, after - 1) for low, after in itertools.pairwise(bounds)]


def between(low: int, high: int) -> dict[str, str]:
    """Parameters of a statement about everybody in a range: its first and its last pseudonym, in hexadecimal."""
    return {"low": f"{low:04x}" + "00" * 14, "high": f"{high:04x}" + "ff" * 14}
