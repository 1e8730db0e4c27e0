"""Pace: the answers against a plain recount of the raw events, walked day by day; and how good the forecasts are."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.measures import pace
from api.measures.live import SILENCE
from api.measures.pace import PaceAnswer
from projections.clickhouse import Database
from projections.measures.pace import History
from tests.asking import asked, why
from tests.conftest import empty
from tests.test_api_world import NOW, OPTIONS, WIB, denominator, happened, load, report, target

Json = dict[str, Any]
TODAY = NOW.astimezone(WIB).date()
DAY = dt.timedelta(days=1)
FIRST = TODAY - 200 * DAY
HOME, MOVED_TO = "61.01.01.2001", "61.72.01.1001"
RUNS, SEED = 2000, 20_240_630
HORIZON = 10 * 52 * 7


def lives(seed: int) -> list[Json]:
    """Some two hundred days in one village: weekdays, a visit every few weeks, lost phones, people who leave."""
    draw = random.Random(seed)
    found, person = [], 0
    for number in range(200):
        day = FIRST + number * DAY
        count = draw.randrange(1, 4) if day.weekday() < 5 else 0
        count += 15 if number % 23 == 5 else 0
        for _ in range(count):
            person += 1
            found.append(happened("Activated", person, HOME, f"{day}T09:00:00"))
            if person % 9 == 0:
                found.append(happened("Deactivated", person, HOME, f"{min(day + 5 * DAY, TODAY)}T10:00:00"))
            if person % 11 == 0:
                left = min(day + 3 * DAY, TODAY)
                found.append(happened("SubjectDeparted", person, HOME, f"{left}T11:00:00", counterpart=MOVED_TO))
                found.append(happened("SubjectArrived", person, MOVED_TO, f"{left}T11:00:01", counterpart=HOME))
    found.append(happened("Activated", person + 1, HOME, f"{TODAY}T01:00:00"))  # today is not whole yet
    return found


LIVES = lives(5)


def recount(until: dt.date) -> Counter[dt.date]:
    """Net change of the people active in the village, by day up to one: the state of each person, day after day."""
    found: Counter[dt.date] = Counter()
    active: dict[str, bool] = {}
    home: dict[str, str | None] = {}
    for each in sorted(LIVES, key=lambda one: one["occurred_at"]):
        day = dt.datetime.fromisoformat(each["occurred_at"]).astimezone(WIB).date()
        who = each["subject_id"]
        before = active.get(who, False) and home.get(who) == HOME
        if each["type"] in ("Activated", "SubjectArrived"):
            home[who] = each["domicile"]
        if each["type"] == "SubjectDeparted":
            home[who] = None
        if each["type"] in ("Activated", "Deactivated"):
            active[who] = each["type"] == "Activated"
        if day <= until:
            found[day] += (active.get(who, False) and home.get(who) == HOME) - before
    return found


REFERENCES = [
    denominator("61.01.01.2001", "population", "2024-06-30", 2_000),
    denominator("61.01.01", "population", "2024-06-30", 9_000, "shared out"),
    denominator("61.01", "population", "2024-06-30", 1_000),
    denominator("61", "population", "2024-06-30", 100_000),
    denominator("61.72", "population", "2024-06-30", 90_000),
    target("61.01.01.2001", "population", 0.3, "2026-01-01", "2026-12-31"),
    target("61.01.01", "population", 0.3, "2026-01-01", "2026-12-31"),
    target("61.01", "population", 0.3, "2026-01-01", "2026-12-31"),
    target("61", "population", 0.3, "2026-01-01"),
]


@pytest.fixture(scope="module")
def client(database: Database) -> Iterator[TestClient]:
    empty(database)
    load(database, [*REFERENCES, *LIVES, report("dukcapil-61.02", "61.02")])
    with TestClient(create_app(database, replace(OPTIONS, public_level="village"))) as each:
        yield each


def ask(client: TestClient, code: str = HOME, status: int = 200, /, **query: Any) -> Json:
    return asked(client, f"/v1/pace/{code}", status, **query)


def widened(weeks: Sequence[Sequence[int]]) -> list[list[int]]:
    """In thousandths of people: each day as far again from the mean of its weekday as few weeks hide."""
    count = len(weeks)
    factor = count / math.sqrt((count - 1) * (count - 3))
    means = [sum(days) / count for days in zip(*weeks, strict=True)]
    return [[round(1000 * (m + (day - m) * factor)) for day, m in zip(week, means, strict=True)] for week in weeks]


def runs_of(seen_weeks: Sequence[Sequence[int]], ahead: int) -> Iterator[Iterator[int]]:
    """Thousandths of people day after day of each run: the weeks that could have been seen, then from these the weeks
    to come."""
    weeks = widened(seen_weeks)
    generator = np.random.default_rng(SEED)
    seen = generator.integers(0, len(weeks), (RUNS, len(weeks))).tolist()
    then = generator.integers(0, len(weeks), (RUNS, ahead)).tolist()
    for could, come in zip(seen, then, strict=True):
        yield (change for each in come for change in weeks[could[each]])


def last_weeks(changes: Counter[dt.date], last: dt.date, most: int) -> list[list[int]]:
    days = (last - min(changes)).days + 1
    count = min(most, days // 7)
    first = last - (7 * count - 1) * DAY
    return [[changes[first + (7 * week + n) * DAY] for n in range(7)] for week in range(count)]


def middle(values: Sequence[float]) -> tuple[float, float, float]:
    """The values that a tenth, half and nine tenths of the runs do not exceed."""
    ordered = sorted(values)
    low, median, high = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.1, 0.5, 0.9))
    return low, median, high


def whole(thousandths: Sequence[int]) -> tuple[int, int, int]:
    low, median, high = (round(Fraction(int(each), 1000)) for each in middle(thousandths))
    return low, median, high


@pytest.mark.parametrize("weeks", [4, 8, 26])
@pytest.mark.parametrize("as_of", [TODAY, TODAY - 30 * DAY])
def test_every_figure_is_what_walking_day_by_day_finds(client: TestClient, as_of: dt.date, weeks: int) -> None:
    answer = ask(client, as_of=as_of, weeks=weeks)
    last, end = min(as_of, TODAY - DAY), dt.date(2026, 12, 31)
    changes = recount(last)
    active = sum(changes.values())
    gap = math.ceil(Fraction(3, 10) * 2_000) - active
    seen = last_weeks(changes, last, weeks)
    gained = sum(map(sum, seen))
    assert (answer["counted_to"], answer["deadline"]) == (str(last), str(end))
    assert (answer["numerator"]["value"], answer["missing"], answer["target_people"]) == (active, gap, 600)
    left = (end - last).days
    assert answer["needed"] == per_day(gap, left)
    assert answer["pace"] == per_day(gained, 7 * len(seen))
    day = last
    while Fraction(gained, 7 * len(seen)) * (day - last).days < gap:
        day += DAY
    assert answer["reached_at_pace"] == str(day)
    check_runs(answer, seen, active, gap, last, left)


def per_day(people: int, days: int) -> Json:
    return {"people": people, "days": days, "per_day": pytest.approx(people / days, abs=1e-6)}


def check_runs(answer: Json, seen: list[list[int]], active: int, gap: int, last: dt.date, left: int) -> None:
    at_end, reached = [], []
    for days in runs_of(seen, HORIZON // 7):
        people = then = 0
        first: float = math.inf
        for number, change in enumerate(days, 1):
            people += change
            if number == left:
                then = people
            if people >= 1000 * gap and first == math.inf:
                first = number
            if number >= left and first < math.inf:
                break
        at_end.append(1000 * active + then)
        reached.append(first)
    assert tuple(answer["on_deadline"][name] for name in ("low", "median", "high")) == whole(at_end)
    told = [answer["reached_between"][name] for name in ("low", "median", "high")]
    assert told == [str(last + int(each) * DAY) for each in middle(reached)]
    made = sum(each >= 1000 * (active + gap) for each in at_end)
    assert answer["chance"] == {"numerator": made, "denominator": RUNS, "value": pytest.approx(made / RUNS)}
    assert 0 < made < RUNS


def test_the_backtest_is_what_was_foreseen_and_what_came(client: TestClient) -> None:
    answer = ask(client, backtest=True)["backtest"]
    last = TODAY - DAY
    changes = recount(last)
    tests, made_on = [], last - 28 * DAY
    while (made_on - min(changes)).days + 1 >= 4 * 7:
        tests.append(made_on)
        made_on -= 28 * DAY
    assert [each["made_on"] for each in answer["tests"]] == [str(each) for each in tests]
    assert len(tests) == 6
    for day, told in zip(tests, answer["tests"], strict=True):
        start = sum(n for at, n in changes.items() if at <= day)
        happened_then = sum(n for at, n in changes.items() if at <= day + 28 * DAY)
        seen = last_weeks(recount(day), day, 8)
        low, _, high = whole([1000 * start + sum(days) for days in runs_of(seen, 4)])
        forecast = start + round(Fraction(sum(map(sum, seen)) * 28, 7 * len(seen)))
        assert told == {
            "made_on": str(day),
            "about": str(day + 28 * DAY),
            "forecast": forecast,
            "low": low,
            "high": high,
            "happened": happened_then,
            "error": forecast - happened_then,
            "held": low <= happened_then <= high,
        }
    errors = [abs(each["error"]) for each in answer["tests"]]
    assert answer["mean_absolute_error"] == pytest.approx(sum(errors) / 6, abs=1e-6)
    still = [sum(n for at, n in changes.items() if day < at <= day + 28 * DAY) for day in tests]
    assert answer["mean_change"] == pytest.approx(sum(map(abs, still)) / 6, abs=1e-6)
    assert answer["held"]["numerator"] == sum(each["held"] for each in answer["tests"])
    assert answer["horizon_days"] == 28


def test_asked_again_it_says_the_same(client: TestClient) -> None:
    first, second = (ask(client, backtest=True) for _ in range(2))
    assert {**first, "data": None} == {**second, "data": None}
    assert "seed 20240630" in first["method"]
    assert first["interval"] == 0.8


FORECAST = ("reached_at_pace", "reached_between", "on_deadline", "chance")


def test_a_target_without_an_end_has_a_day_but_no_chance(client: TestClient) -> None:
    answer = ask(client, "61")
    reason = "the target has no end date; give one with `deadline`"
    for field in ("deadline", "needed", "on_deadline", "chance"):
        assert answer[field] is None
        assert why(answer)[field] == reason
    assert answer["pace"] is not None
    assert answer["reached_at_pace"] is not None
    given = ask(client, "61", deadline="2027-12-31")
    assert given["needed"]["people"] == given["missing"]
    assert given["needed"]["days"] == (dt.date(2027, 12, 31) - (TODAY - DAY)).days
    assert given["chance"]["denominator"] == RUNS


def test_a_target_met_is_met(clean: Database) -> None:
    load(clean, [*LIVES, denominator(HOME, "population", "2024-06-30", 100), REFERENCES[5]])
    with TestClient(create_app(clean, replace(OPTIONS, public_level="village"))) as client:
        answer = ask(client)
    assert answer["missing"] < 0
    for field in ("needed", *FORECAST):
        assert answer[field] is None
        assert why(answer)[field] == f"the target is met already, by {-answer['missing']} people more than it takes"


def reasons(client: TestClient, code: str, **query: Any) -> Json:
    answer = ask(client, code, **query)
    for field in ("needed", *FORECAST):
        assert answer[field] is None
    return why(answer)


def test_without_a_target_a_count_or_events_each_has_its_reason(clean: Database) -> None:
    load(clean, [*LIVES, report("dukcapil-61.02", "61.02"), denominator("61.02", "population", "2024-06-30", 9_000)])
    with TestClient(create_app(clean, replace(OPTIONS, public_level="village"))) as client:
        told = reasons(client, HOME)
        assert told["needed"].startswith(f"no target holds on {TODAY} for this region")
        assert told["deadline"] == "no target holds, so it has no end date either"
        assert "pace" not in told
        load(clean, REFERENCES)
        assert reasons(client, "61.01.01.2002")["pace"] == "no event has named this region by then"
        assert reasons(client, "61.01.01.2002")["needed"] == "no events and no source reports for this region"
        told = why(heard := ask(client, "61.02", deadline="2026-12-31"))
        assert heard["needed"] == per_day(2_700, (dt.date(2026, 12, 31) - TODAY + DAY).days)
        assert (heard["numerator"]["value"], heard["pace"]) == (0, None)
        assert {told[field] for field in ("pace", *FORECAST)} == {"no event has named this region by then"}
        assert "only an estimate exists; ask for it with estimate=true" in reasons(client, "61.01.01")["needed"]
        assert ask(client, "61.01.01", estimate=True)["denominator"]["estimated"] is True


def test_thin_pasts_cannot_tell(client: TestClient) -> None:
    answer = ask(client, as_of=FIRST + 20 * DAY, backtest=True, deadline="2026-12-31")
    told = why(answer)
    assert told["needed"].startswith("no target holds on")
    assert told["pace"] == "cannot_tell: fewer than 4 whole weeks of counts since the first event"
    assert told["backtest"].startswith("cannot_tell: fewer than 3 past days")
    assert why(ask(client))["backtest"] == "ask for it with backtest=true"


def test_where_the_number_falls_the_target_never_does(clean: Database) -> None:
    people = [happened("Activated", n, HOME, f"{TODAY - 80 * DAY}T08:00:00") for n in range(1, 90)]
    gone = [happened("Deactivated", n, HOME, f"{TODAY - n * DAY}T09:00:00") for n in range(1, 60)]
    load(clean, [*REFERENCES, *people, *gone])
    with TestClient(create_app(clean, replace(OPTIONS, public_level="village"))) as client:
        answer = ask(client)
    assert answer["pace"] == {"people": -56, "days": 56, "per_day": -1.0}
    assert why(answer)["reached_at_pace"] == "at the present pace, which is not above 0, the target never falls"
    assert why(answer)["reached_between"].startswith("too many of the runs do not meet it")
    assert answer["chance"] == {"numerator": 0, "denominator": RUNS, "value": 0.0}
    assert answer["needed"]["people"] == answer["missing"] == 600 - 30


def test_no_day_is_left_at_the_end_of_the_deadline(client: TestClient) -> None:
    day = str(TODAY - 5 * DAY)
    answer = ask(client, as_of=day, deadline=day)
    assert {why(answer)[field] for field in ("needed", "on_deadline", "chance")} == {
        "no whole day is left until the deadline"
    }
    assert ask(client, deadline=str(TODAY))["needed"]["days"] == 1


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"as_of": str(TODAY + DAY)}, "as_of"),
        ({"deadline": str(TODAY - DAY)}, "deadline"),
        ({"deadline": "2999-12-31"}, "deadline"),
        ({"deadline": "soon"}, "deadline"),
        ({"weeks": 3}, "weeks"),
        ({"weeks": 53}, "weeks"),
        ({"backtest": "perhaps"}, "backtest"),
        ({"estimate": "perhaps"}, "estimate"),
        ({"by": "2026-12-31"}, "(unknown)"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(client: TestClient, query: Json, name: str) -> None:
    (told,) = ask(client, HOME, 422, **query)["parameters"]
    assert told["name"] == name
    assert told["allowed"] or name == "(unknown)"


def test_an_unknown_region_is_404(client: TestClient) -> None:
    assert ask(client, "61.99", 404)["parameters"][0]["name"] == "code"


def test_below_the_public_level_it_takes_a_key(database: Database) -> None:
    with TestClient(create_app(database, replace(OPTIONS, public_level="regency"))) as client:
        assert client.get("/v1/pace/61.01").status_code == 200
        assert client.get("/v1/pace/61.01.01").status_code == 401


def history(seed: int, days: int) -> History:
    """A region as it may be: few on weekends, more from week to week or fewer, a visit now and then."""
    draw = np.random.default_rng(seed)
    usual = draw.uniform(20, 200) * np.tile([1, 1, 1, 1, 0.8, 0.2, 0], days // 7 + 1)[:days]
    weekly = np.repeat(draw.lognormal(0, 0.3, days // 7 + 1), 7)[:days]
    visits = draw.binomial(1, 0.08, days) * draw.integers(50, 200, days)
    return History(dt.date(2025, 1, 6), (draw.poisson(usual * weekly) + visits).tolist())


@pytest.mark.parametrize(("weeks", "least", "most"), [(4, 0.80, 0.96), (8, 0.78, 0.93), (26, 0.74, 0.88)])
def test_the_interval_holds_as_often_as_it_says(weeks: int, least: float, most: float) -> None:
    """Of 720 forecasts for 60 made regions: 80 % or, from few weeks, some more."""
    held = whole = 0
    errors: list[float] = []
    for seed in range(60):
        tested = pace.backtest(history(seed, 420), weeks)
        assert isinstance(tested, pace.Backtest)
        held, whole = held + tested.held.numerator, whole + tested.held.denominator
        errors.append(tested.mean_absolute_error / tested.mean_change)
    assert whole == 60 * 12
    assert least < held / whole < most
    assert np.median(errors) < 0.25  # of what a forecast of no change is wrong by


@pytest.mark.parametrize("silent", [True, False])
def test_weeks_without_events_are_no_data_where_the_sources_were_silent(clean: Database, silent: bool) -> None:
    """And 0 where a source says that it has sent everything."""
    told = NOW - 150 * DAY if silent else NOW
    past = happened("Activated", 1, HOME, f"{TODAY - 160 * DAY}T09:00:00")
    load(clean, [*REFERENCES, past, report("dukcapil-61.01", "61.01", at=told)])
    with TestClient(create_app(clean, replace(OPTIONS, public_level="village"))) as client:
        answer = ask(client)
    assert answer["needed"]["people"] == 599, "what it takes is known in any case"
    if silent:
        assert (answer["pace"], answer["chance"], why(answer)["pace"]) == (None, None, SILENCE)
        return
    assert (answer["pace"]["people"], answer["pace"]["days"]) == (0, 56)


def test_the_example_fits_its_model() -> None:
    (example,) = PaceAnswer.model_json_schema()["examples"]
    assert set(PaceAnswer.model_validate(example).model_dump(by_alias=True)) == set(example)
