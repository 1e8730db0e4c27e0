"""What is withheld stays so: an attempt to recover small counts from what is shown, on tables of every shape."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.suppression import Suppression
from events import regions
from tests.attack import Range, Tree, bounds

SMALLEST = 5
NATION, PROVINCE, REGENCY = 0, 61, 6101
DISTRICTS = list(regions.numbers_below(REGENCY))[:3]
VILLAGES = {district: list(regions.numbers_below(district))[:6] for district in DISTRICTS}
Counts = Mapping[int, int]


def tree_of(villages: Counts) -> Tree:
    """The register's tree above some villages."""
    below: dict[int, set[int]] = {}
    for village in villages:
        for each, above in itertools.pairwise(regions.ancestors_of(village)):
            below.setdefault(above, set()).add(each)
    return {above: sorted(parts) for above, parts in below.items()}


def summed(villages: Counts) -> dict[int, int]:
    """People by region, of every level."""
    counts: dict[int, int] = {}
    for village, people in villages.items():
        for each in regions.ancestors_of(village):
            counts[each] = counts.get(each, 0) + people
    return counts


def shown(counts: Counts, tree: Tree) -> dict[int, int | None]:
    """What the public view shows; None: withheld."""
    suppression = Suppression(
        lambda codes: {each: counts[each] for each in codes}, SMALLEST, below=lambda code: tree.get(code, ())
    )
    return {each: None if suppression.withheld(each) else suppression.rounded(count) for each, count in counts.items()}


def small(count: int) -> bool:
    return 0 < count < SMALLEST


def bounded(counts: Counts, tree: Tree, told: Mapping[int, int | None]) -> dict[int, Range]:
    """What each count can be, by what is shown."""
    known = {}
    for each, value in told.items():
        if value is not None:
            known[each] = Range(value, value + SMALLEST - 1 if value else 0)
        elif small(counts[each]) and _is_shown(each, told):
            known[each] = Range(1, SMALLEST - 1)
        else:
            known[each] = Range(0)
    return bounds(NATION, tree, known)


def attack(counts: Counts, tree: Tree, told: Mapping[int, int | None]) -> set[int]:
    """Regions with small counts that are told by what is shown."""
    found = bounded(counts, tree, told)
    assert all(found[each].low <= counts[each] <= found[each].high for each in counts)
    return {each for each, count in counts.items() if small(count) and found[each].told}


def _is_shown(code: int, told: Mapping[int, int | None]) -> bool:
    """Whether something is said of the regions beside it; below a withheld region nothing is."""
    above = regions.parent_of(code)
    return above is None or told[above] is not None


def primary_only(counts: Counts, rounded: bool) -> dict[int, int | None]:
    """What was shown if small counts were withheld, and nothing else."""
    return {each: None if small(n) else n - n % SMALLEST if rounded else n for each, n in counts.items()}


def exact_attack(counts: Counts, tree: Tree) -> set[int]:
    """The same on counts that are shown as they are, but for the small ones."""
    known = {each: Range(1, SMALLEST - 1) if small(n) else Range(n, n) for each, n in counts.items()}
    found = bounds(NATION, tree, known)
    return {each for each, count in counts.items() if small(count) and found[each].told}


def world(*districts: list[int]) -> dict[int, int]:
    """People by village: so many in the villages of each district, from the first one on."""
    return {
        village: people
        for district, counts in zip(DISTRICTS, districts, strict=False)
        for village, people in zip(VILLAGES[district], counts, strict=False)
    }


# Tables whose sums leave no room, each by another way of hiding.
LEAKS = {
    "all at the upper end": world([4, 4, 4, 4, 4]),
    "all at the lower end": world([1, 1, 1, 1, 10]),
    "with larger ones at their ends": world([3, 9, 9, 9, 0, 9], [9, 9]),
    "a zero beside": world([4, 4, 4, 4, 4, 0]),
    "nothing beside": world([1, 1, 1, 1, 1, 4]),
    "a whole district at the end": world([1, 1, 1, 1, 1], [5, 10, 4]),
}


@pytest.mark.parametrize("villages", LEAKS.values(), ids=LEAKS.keys())
def test_hand_made_tables(villages: dict[int, int]) -> None:
    counts, tree = summed(villages), tree_of(villages)
    assert attack(counts, tree, shown(counts, tree)) == set()


def test_the_attack_works_where_only_small_counts_are_withheld() -> None:
    """One small village beside large ones is what they leave of their district."""
    villages = world([3, 40, 70], [12, 2, 4])
    counts, tree = summed(villages), tree_of(villages)
    assert exact_attack(counts, tree) == {VILLAGES[DISTRICTS[0]][0]}


def test_the_attack_works_on_rounded_counts_too() -> None:
    villages = LEAKS["all at the upper end"]
    counts, tree = summed(villages), tree_of(villages)
    assert attack(counts, tree, primary_only(counts, rounded=True)) == set(villages)
    told = shown(counts, tree)
    assert told[DISTRICTS[0]] is None  # nobody else lives in the nation: there is nothing to hide among
    assert attack(counts, tree, told) == set()


@st.composite
def villages(draw: st.DrawFn) -> dict[int, int]:
    """Few and small counts, which is where sums leave little room."""
    people = st.sampled_from([0, 0, 1, 1, 2, 3, 4, 4, 5, 9, 9, 10, 14, 123])
    return world(*(draw(st.lists(people, min_size=1, max_size=6)) for _ in range(draw(st.integers(1, 3)))))


@settings(max_examples=2000, deadline=None)
@given(villages())
@example(LEAKS["all at the lower end"])
def test_no_small_count_is_told_by_any_table(villages: dict[int, int]) -> None:
    counts, tree = summed(villages), tree_of(villages)
    told = shown(counts, tree)
    assert all(told[each] is None for each, count in counts.items() if small(count))
    assert attack(counts, tree, told) == set()


@settings(max_examples=1000, deadline=None)
@given(villages(), st.randoms(use_true_random=False))
def test_no_small_change_is_told_by_two_days(villages: dict[int, int], random: Random) -> None:
    """That is, by a series: of no region both days are told, unless that many came or nobody."""
    days = [
        villages,
        {each: max(0, count + random.choice([0, 0, 0, 1, 2, -1, 4, 5])) for each, count in villages.items()},
    ]
    counts, tree = [summed(each) for each in days], tree_of(villages)
    found = [bounded(each, tree, shown(each, tree)) for each in counts]
    for region in counts[0]:
        if small(abs(counts[1][region] - counts[0][region])):
            assert not (found[0][region].told and found[1][region].told)
