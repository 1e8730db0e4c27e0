"""Outreach effect: a known effect is recovered and none is claimed where there is none; every figure of the API against
a plain recount of the raw events."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.measures import outreach_effect as contract
from events import identity
from events.catalogue import EVENTS, examples
from events.regions import children
from projections.clickhouse import Database
from projections.measures.outreach_effect import Village, Visit
from tests.asking import why
from tests.conftest import empty
from tests.test_api_world import OPTIONS, happened
from tests.test_measure_live import load

Json = dict[str, Any]
WIB = dt.timezone(dt.timedelta(hours=7))
TODAY = dt.date(2024, 6, 30)
BEGIN = dt.date(2024, 1, 1)
DAY = dt.timedelta(days=1)
DECAY = [20 * 0.6**day for day in range(15)]  # people who become active because of a visit, by days after it


def nature(seed: int, effect: float, visits: int = 40, order: int | None = None) -> tuple[list[Visit], list[Village]]:
    """A regency of 160 villages whose rates differ, with a wave that all share; `effect` scales what visits add.
    `order`: visits go where rates are lowest (1) or highest (-1), else anywhere."""
    rng = np.random.default_rng(seed)
    length = (TODAY - BEGIN).days
    rates = rng.gamma(4, 0.5, 160)
    if order is not None:
        rates = np.sort(rates)[::order]
    wave = 1 + 0.5 * np.sin(np.arange(length) / 20)
    counts = rng.poisson(rates[:, None] * wave)
    held = []
    for number in range(visits):
        day = int(rng.integers(contract.PAST_DAYS, length - 20))
        counts[number, day : day + 15] += rng.poisson(effect * np.array(DECAY))
        held.append(Visit(f"{number:032x}", 6101010001 + number, BEGIN + day * DAY, "jemput_bola", 24.0, 20))
    villages = [
        Village(6101010001 + row, BEGIN, 100, list(range(length)), each.tolist(), each.tolist())
        for row, each in enumerate(counts)
    ]
    return held, villages


def found(seed: int, effect: float, visits: int = 40, order: int | None = None) -> tuple[str, contract.Effect | None]:
    held, villages = nature(seed, effect, visits, order)
    return contract.figures(contract.compare(held, held, {6101: villages}, BEGIN, TODAY, TODAY))


def test_a_known_effect_and_its_decay_are_recovered() -> None:
    """The truth is in nine of ten intervals or more of 40 worlds (95 of 100 are meant), and the mean within 5 %."""
    truth = sum(DECAY)
    answers = [found(seed, 1.0) for seed in range(40)]
    effects = [effect for _, effect in answers if effect]
    assert [verdict for verdict, _ in answers] == ["raised"] * 40
    assert sum(each.effect.low <= truth <= each.effect.high for each in effects) >= 36
    assert math.isclose(np.mean([each.effect.value for each in effects]), truth, rel_tol=0.05)
    by_day = np.mean([[each.effect.value for each in effect.by_day] for effect in effects], axis=0)
    assert np.abs(by_day - DECAY).max() < 0.3


@pytest.mark.parametrize("order", [None, 1, -1], ids=["anywhere", "where few come", "where many come"])
def test_no_effect_is_not_claimed_of_few_visits(order: int | None) -> None:
    """5 of 100 claims are meant: of 200 worlds more than 18 would claim one in less than 1 of 100 such tests."""
    answers = [found(seed, 0.0, contract.FEWEST_VISITS, order) for seed in range(100, 300)]
    assert 2 <= sum(verdict != "no_effect_shown" for verdict, _ in answers) <= 18
    # Where the visited are not like the others, neither side is favoured.
    effects = [effect.effect.value for _, effect in answers if effect]
    assert abs(np.mean(effects)) < 3 * np.std(effects) / math.sqrt(len(effects))


def test_few_visits_can_not_tell() -> None:
    assert found(1, 1.0, visits=19) == ("cannot_tell", None)
    assert found(1, 1.0, visits=20)[0] == "raised"


def test_a_yield_that_can_not_be_told_is_null() -> None:
    visits = [
        Visit("a", 6101010001, TODAY, "mobile_service", 0.0, 5),  # nobody's hours
        Visit("b", 6101010001, TODAY, "stall", 8.0, 5),  # activations that no event names
        Visit("c", 6101010001, TODAY, "home", 8.0, 0),  # none, and none was reported: that is 0
    ]
    yields, absent = contract.yields(visits, {"a": 5})
    assert {each.kind: each.per_staff_hour for each in yields} == {"home": 0.0, "mobile_service": None, "stall": None}
    assert {each.field: each.reason for each in absent} == {
        "yields.mobile_service.per_staff_hour": contract.NO_HOURS,
        "yields.stall.per_staff_hour": contract.UNNAMED,
    }


# ---- The API against a recount -------------------------------------------------------------------------------------

VILLAGES = [village for district in children()[6101][:5] for village in children()[district.number]][:50]


@dataclass(frozen=True)
class Became:
    village: int
    day: dt.date
    visit: int | None


@dataclass(frozen=True)
class Was:
    number: int
    village: int
    day: dt.date
    kind: str


def identifier(number: int) -> str:
    return identity.as_text((10**20 + number).to_bytes(16, "big"))


def dotted(village: int) -> str:
    text = str(village)
    return f"{text[:2]}.{text[2:4]}.{text[4:6]}.{text[6:]}"


def noon(day: dt.date) -> str:
    return dt.datetime.combine(day, dt.time(12)).isoformat()


def outreach_held(visit: Was) -> Json:
    base = examples(EVENTS["OutreachHeld"], EVENTS["OutreachHeld"].newest)[0]
    at = f"{noon(visit.day)}+07:00"
    named = {"service_region": dotted(visit.village), "outreach_id": identifier(visit.number), "kind": visit.kind}
    times = {"occurred_at": at, "recorded_at": at}
    rest = {key: value for key, value in base.items() if key != "event_id"}
    return {**rest, **named, **times, "team_size": 4, "hours": 2.5, "activated": 6}


def scenario(seed: int) -> tuple[list[Was], list[Became]]:
    draw = random.Random(seed)
    codes = [each.number for each in VILLAGES]
    became = [Became(code, BEGIN, None) for code in codes[:-1]]  # the last is heard of when it is visited
    for code in codes[:-1]:
        for _ in range(draw.randrange(20, 60)):
            became.append(Became(code, BEGIN + draw.randrange(0, 181) * DAY, None))
    visits = [
        Was(n, codes[n], TODAY - (15 + n % 40) * DAY, ("jemput_bola", "goes_to_school")[n % 2]) for n in range(24)
    ]
    visits.append(Was(24, codes[3], visits[3].day + 14 * DAY, "jemput_bola"))  # two in one village
    visits.append(Was(25, codes[24], TODAY - 14 * DAY, "jemput_bola"))  # its window ends today
    visits.append(Was(26, codes[-1], TODAY - 40 * DAY, "jemput_bola"))
    for visit in visits:
        became += [
            Became(visit.village, visit.day + draw.choice((0, 0, 0, 1, 2)) * DAY, visit.number) for _ in range(5)
        ]
    return visits, became


def recount(visits: Sequence[Was], became: Sequence[Became]) -> tuple[list[list[float]], list[list[float]]]:
    """By visit, 15 days: the village over its baseline, and its controls over theirs, in the plainest words."""
    first = {each.village: min(one.day for one in became if one.village == each.village) for each in became}

    def on(village: int, day: dt.date) -> int:
        return sum(each.village == village and each.day == day for each in became)

    def before(village: int, day: dt.date) -> int:
        return sum(each.village == village and day - 28 * DAY <= each.day < day for each in became)

    def long_before(village: int, day: dt.date) -> int:
        return before(village, day - 28 * DAY)

    def active(village: int, day: dt.date) -> int:
        return sum(each.village == village and each.day < day - 28 * DAY for each in became)

    def over(village: int, day: dt.date) -> list[float]:
        return [on(village, day + n * DAY) - before(village, day) / 28 for n in range(15)]

    def visited(village: int, day: dt.date) -> int:
        return sum(each.village == village and -42 <= (each.day - day).days <= 14 for each in visits)

    own, controls = [], []
    for visit in visits:
        day = visit.day
        if day + 14 * DAY >= TODAY or visited(visit.village, day) > 1 or first[visit.village] > day - 56 * DAY:
            continue
        here = (math.log1p(long_before(visit.village, day)), math.log1p(active(visit.village, day)))
        others = [
            (math.dist(here, (math.log1p(long_before(each, day)), math.log1p(active(each, day)))), each)
            for each in first
            if each != visit.village and first[each] <= day - 56 * DAY and not visited(each, day)
        ]
        chosen = [over(each, day) for _, each in sorted(others)[:5]]
        own.append(over(visit.village, day))
        controls.append([sum(each[n] for each in chosen) / len(chosen) for n in range(15)])
    return own, controls


@dataclass(frozen=True)
class World:
    client: TestClient
    visits: list[Was]
    became: list[Became]

    def ask(self, code: str, query: Json | None = None, status: int = 200) -> Json:
        answer = self.client.get(f"/v1/outreach/{code}", params=query or {})
        assert answer.status_code == status, answer.text
        told: Json = answer.json()
        return told


@pytest.fixture(scope="module")
def world(database: Database) -> World:
    empty(database)
    visits, became = scenario(7)
    people = [
        happened(
            "Activated",
            number,
            dotted(each.village),
            noon(each.day),
            **({} if each.visit is None else {"outreach_id": identifier(each.visit)}),
        )
        for number, each in enumerate(became, 1)
    ]
    told = [outreach_held(each) for each in visits]
    first = {**told[0], "activated": 7, "kind": "event_stall"}
    told[0]["recorded_at"] = f"{noon(visits[0].day + DAY)}+07:00"  # reported again, corrected
    load(database, [*told, first, *people, people[-1]])  # one person is delivered twice
    clock = dt.datetime.combine(TODAY, dt.time(18), WIB)
    options = replace(OPTIONS, clock=lambda: clock, public_level="village")
    return World(TestClient(create_app(database, options)), visits, became)


@pytest.mark.parametrize("code", ["0", "61", "61.01"])
def test_the_effect_is_what_a_recount_says(world: World, code: str) -> None:
    answer = world.ask(code, {"from": "2024-04-01"})
    own, controls = recount(world.visits, world.became)
    assert answer["held"] == 27
    assert answer["compared"] == len(own) >= 20
    assert answer["left_out"] == {
        "not_in_a_village": 0,
        "window_not_over": 1 + (world.visits[24].day + 14 * DAY >= TODAY),
        "other_visit_near": 1 + (world.visits[24].day + 14 * DAY < TODAY),
        "not_heard_before": 1,
        "too_few_controls": 0,
    }
    lifts = [sum(a) - sum(b) for a, b in zip(own, controls, strict=True)]
    effect = answer["effect"]
    for name, values in (("over_baseline", map(sum, own)), ("controls", map(sum, controls)), ("effect", lifts)):
        total = sum(values)
        assert math.isclose(effect[name]["numerator"], total, abs_tol=1e-5), name
        assert math.isclose(effect[name]["value"], total / len(own), abs_tol=1e-5), name
        assert effect[name]["denominator"] == len(own)
    for day in range(15):
        total = sum(a[day] - b[day] for a, b in zip(own, controls, strict=True))
        assert math.isclose(effect["by_day"][day]["effect"]["numerator"], total, abs_tol=1e-5), day
    assert answer["verdict"] == "raised"
    assert world.ask(code, {"from": "2024-04-01"})["effect"] == effect


def test_yields_are_events_that_name_the_activity(world: World) -> None:
    yields = {each["kind"]: each for each in world.ask("61.01")["yields"]}
    for kind in ("jemput_bola", "goes_to_school"):
        held = [each for each in world.visits if each.kind == kind]
        named = sum(each.visit in {visit.number for visit in held} for each in world.became)
        assert yields[kind] == {
            "kind": kind,
            "held": len(held),
            "activated": named,
            "reported": 6 * len(held),
            "staff_hours": 10.0 * len(held),
            "per_staff_hour": round(named / (10 * len(held)), 6),
        }


def test_thin_data_can_not_tell(world: World) -> None:
    answer = world.ask(dotted(world.visits[0].village))
    assert (answer["held"], answer["compared"], answer["verdict"], answer["effect"]) == (1, 1, "cannot_tell", None)
    assert why(answer)["effect"].startswith("cannot_tell: fewer than 20 visits")


@pytest.mark.parametrize(
    ("code", "query", "reason"),
    [
        ("61.72", {}, "no events and no source reports"),
        ("61.01", {"from": "2024-07-01"}, "from is in the future"),
    ],
)
def test_no_data_is_null_with_its_reason(world: World, code: str, query: Json, reason: str) -> None:
    answer = world.ask(code, query)
    assert answer["held"] is answer["compared"] is answer["left_out"] is answer["effect"] is None
    assert why(answer)["effect"].startswith(reason)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2024-06-02", "to": "2024-06-01"}, "from"),
        ({"from": "2000-01-01", "to": "2024-06-01"}, "from"),
        ({"by": "kind"}, "(unknown)"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(world: World, query: Json, name: str) -> None:
    body = world.ask("61.01", query, 422)
    assert [each["name"] for each in body["parameters"]] == [name]


# The last one: it empties the database that the others share.
def test_an_activation_told_anew_names_the_activity_told_last(clean: Database) -> None:
    village, day = VILLAGES[0].number, TODAY - 20 * DAY
    visits = [Was(number, village, day, kind) for number, kind in enumerate(("jemput_bola", "goes_to_school"))]
    at = dt.datetime.combine(day, dt.time(12), WIB)
    told = happened("Activated", 1, dotted(village), noon(day), outreach_id=identifier(0))
    told["event_id"] = identity.as_text(identity.derived_event_id(int(at.timestamp() * 1000), "told anew"))
    anew = {**told, "outreach_id": identifier(1), "recorded_at": (at + DAY).isoformat()}
    load(clean, [*map(outreach_held, visits), anew])
    load(clean, [told])  # late
    clock = dt.datetime.combine(TODAY, dt.time(18), WIB)
    client = TestClient(create_app(clean, replace(OPTIONS, clock=lambda: clock, public_level="village")))
    yields = client.get("/v1/outreach/61.01").json()["yields"]
    assert {each["kind"]: each["activated"] for each in yields} == {"jemput_bola": 0, "goes_to_school": 1}
