"""Reference facts: what was published is there, what was computed says so, and sending it twice adds nothing."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest

from cakupan.reference import NATIONAL_SHARE, reference_events
from events import codec, regions, rules
from events.codec import Event

EPOCH = dt.date(1970, 1, 1)
MID_2024 = (dt.date(2024, 6, 30) - EPOCH).days
END_2024 = (dt.date(2024, 12, 31) - EPOCH).days


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(reference_events())


def of(events: list[Event], name: str) -> list[dict[str, Any]]:
    return [each.values for each in events if each.type.name == name]


def denominators(events: list[Event]) -> dict[tuple[int, str, int], dict[str, Any]]:
    return {(v["region"], v["basis"], v["vintage"]): v for v in of(events, "DenominatorReleased")}


def test_publishing_again_adds_nothing(events: list[Event]) -> None:
    assert events == list(reference_events())
    assert len({each.values["event_id"] for each in events}) == len(events)


def test_all_keep_the_rules_and_their_schemas(events: list[Event]) -> None:
    for each in events:
        rules.check(each.values, each.values["occurred_at"])
        assert codec.decode(codec.encode(each.type.name, each.values), each.type.topic) == each


def test_one_denominator_for_a_region_basis_and_vintage(events: list[Event]) -> None:
    assert len(denominators(events)) == len(of(events, "DenominatorReleased")) == 1147


def test_levels_add_up_to_the_nation(events: list[Event]) -> None:
    population = {
        region: values["value"]
        for (region, basis, vintage), values in denominators(events).items()
        if (basis, vintage) == ("population", END_2024)
    }
    assert Counter(map(regions.level_of, population)) == {"nation": 1, "province": 38, "regency": 514, "district": 19}
    for level in ("province", "regency"):
        assert sum(people for each, people in population.items() if regions.level_of(each) == level) == 284_973_643
    assert sum(people for each, people in population.items() if regions.parent_of(each) == 6101) == 651_246


def test_sambas_of_mid_2024_is_as_published(events: list[Event]) -> None:
    known = denominators(events)
    recorded, people = known[6101, "recorded", MID_2024], known[6101, "population", MID_2024]
    assert (recorded["value"], recorded["method"]) == (452_092, None)
    assert (people["value"], people["method"]) == (648_037, None)
    assert known[6101, "wajib_ktp", MID_2024]["value"] == 476_955


def test_every_population_has_an_estimate_that_names_the_share(events: list[Event]) -> None:
    known = denominators(events)
    populations = [key for key in known if key[1] == "population"]
    for region, _, vintage in populations:
        estimate = known[region, "wajib_ktp", vintage]
        assert estimate["value"] == round(NATIONAL_SHARE * known[region, "population", vintage]["value"])
        assert str(NATIONAL_SHARE) in estimate["method"]
    assert len([key for key in known if key[1] == "wajib_ktp"]) == len(populations) == 573


def test_districts_name_their_method(events: list[Event]) -> None:
    methods = Counter(
        values["method"]
        for (region, basis, _), values in denominators(events).items()
        if regions.level_of(region) == "district" and basis == "population"
    )
    assert methods == {"scaled_2018": 14, "residual_by_2017_share": 5}


@pytest.mark.parametrize(
    ("region", "day", "expected"),
    [
        (0, dt.date(2023, 6, 1), ("wajib_ktp", 0.25)),
        (0, dt.date(2026, 1, 1), ("wajib_ktp", 0.3)),
        (6101, dt.date(2024, 6, 30), ("recorded", 0.3)),
        (6107, dt.date(2024, 11, 30), ("holders", 0.2)),
        (3318, dt.date(2024, 12, 31), ("wajib_ktp", 0.2)),
        (3318, dt.date(2025, 1, 1), ("wajib_ktp", 0.25)),
    ],
)
def test_one_target_a_day(events: list[Event], region: int, day: dt.date, expected: tuple[str, float]) -> None:
    number = (day - EPOCH).days
    valid = [
        (v["basis"], v["ratio"])
        for v in of(events, "TargetSet")
        if v["region"] == region and v["valid_from"] <= number and (v["valid_to"] is None or number <= v["valid_to"])
    ]
    assert valid == [expected]


def test_the_target_of_sambas_is_open(events: list[Event]) -> None:
    assert [v["valid_to"] for v in of(events, "TargetSet") if v["region"] == 6101] == [None]


def test_figures_stand_as_printed(events: list[Event]) -> None:
    figures = {(v["region"], v["printed"]): v for v in of(events, "FigureReported")}
    assert figures[6101, "9.59 %"]["basis"] == "recorded"
    assert figures[6107, "1.86 %"]["basis"] == "holders"
    assert figures[0, "~1000000"]["claim"] == "count"
    assert "wrong" in figures[3303, "1.89 %"]["origin"]
    assert figures[6409, "14.5 %"]["claim"] == "unclear"
    assert "same" not in {v["origin"].split(":")[0] for v in figures.values()}
    assert len({v["region"] for v in figures.values()}) == 15
