"""Live against last week: every figure of the API against a plain recount of the raw events, recent and long past."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.options import ApiOptions
from cakupan.embedded.clickhouse import ClickHouseNode
from events import codec, jsonform
from events.catalogue import ACTIVATION
from projections import activation
from projections.catalogue import insert, new_run
from projections.clickhouse import Database
from projections.migrate import migrate
from tests.asking import asked, why, within
from tests.conftest import empty
from tests.test_api_world import OPTIONS, denominator, happened, report

Json = dict[str, Any]
WIB = dt.timezone(dt.timedelta(hours=7))
WEEK = dt.timedelta(days=7)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
# Three districts of Sambas and two regencies beside it.
VILLAGES = ("61.01.01.2001", "61.01.01.2002", "61.01.02.2003", "61.01.08.2002", "61.72.01.1001", "61.07.01.2001")
KINDS = ("Activated", "Activated", "ActivationRegistered", "AttemptFailed", "Deactivated")
CHANNELS = ("office", "jemput_bola", "mobile_service")
NAMES = {"Activated": "activated", "ActivationRegistered": "registered", "AttemptFailed": "failed"}
CODES = ("0", "61", "61.01", "61.01.01", "61.01.01.2001", "61.72")


@dataclass(frozen=True)
class Happened:
    """An event as the oracle knows it."""

    kind: str
    village: str
    channel: str
    at: dt.datetime


@dataclass(frozen=True)
class World:
    """A scenario in the tables, asked at `at`."""

    client: TestClient
    database: Database
    at: dt.datetime
    events: list[Happened]

    def ask(self, code: str, status: int = 200, **query: Any) -> Json:
        answer = self.client.get(f"/v1/live-comparison/{code}", params={"at": self.at.isoformat(), **query})
        assert answer.status_code == status, answer.text
        found: Json = answer.json()
        return found


def noon(days_ago: int) -> dt.datetime:
    """12:34 in western Indonesia, so many days ago."""
    day = dt.datetime.now(WIB).replace(hour=12, minute=34, second=0, microsecond=0)
    return (day - dt.timedelta(days=days_ago)).astimezone(dt.UTC)


def load(database: Database, given: Sequence[Mapping[str, Any]]) -> None:
    """Events in JSON form into the tables; they arrive now."""
    arrived = int(dt.datetime.now(dt.UTC).timestamp() * 1000)
    topics: dict[str, list[bytes]] = {}
    for each in given:
        event = jsonform.from_json(each, arrived)
        topics.setdefault(event.type.topic, []).append(codec.encode(event.type.name, event.values))
    for topic, records in topics.items():
        decoded = codec.decode_batch(topic, records, [arrived] * len(records))
        assert decoded.refused == []
        run = new_run()
        insert(database, topic, decoded.frames, run)
        if topic == ACTIVATION:
            activation.recompute(database, run)


def raw(events: Sequence[Happened]) -> list[Json]:
    """The same as sent, each of another person."""
    return [
        happened(each.kind, number + 1, each.village, local(each.at), channel=each.channel)
        for number, each in enumerate(events)
    ]


def local(at: dt.datetime) -> str:
    """The time in western Indonesia, without its zone."""
    return at.astimezone(WIB).replace(tzinfo=None).isoformat()


def scenario(at: dt.datetime, seed: int) -> list[Happened]:
    """Events around the windows of both weeks, at their very borders too, with every channel and kind."""
    rng = random.Random(seed)
    found = []
    for end in (at, at - WEEK):
        midnight = end.astimezone(WIB).replace(hour=0, minute=0)
        borders = [end - MINUTE, end - HOUR, end - 24 * HOUR, midnight, end]
        moments = [border + nudge for border in borders for nudge in (dt.timedelta(0), dt.timedelta(milliseconds=-1))]
        moments += [end - rng.random() * 30 * HOUR for _ in range(150)]
        found += [
            Happened(rng.choice(KINDS), rng.choice(VILLAGES[:5]), rng.choice(CHANNELS), whole(moment))
            for moment in moments
        ]
    return found


def whole(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC).replace(microsecond=moment.microsecond // 1000 * 1000)


def build(database: Database, at: dt.datetime, events: list[Happened], *more: Json) -> World:
    empty(database)
    load(database, [*more, *raw(events)])
    options: ApiOptions = replace(OPTIONS, clock=lambda: at + dt.timedelta(seconds=1), public_level="village")
    return World(TestClient(create_app(database, options)), database, at, events)


# The first from minutes kept up; in the second last week is counted from the events; in the third both are.
@pytest.fixture(params=[1, 6, 40], ids=["recent", "last week long ago", "long ago"], scope="module")
def world(request: pytest.FixtureRequest, clickhouse: ClickHouseNode) -> World:
    """In a database of its own: other tests here empty theirs."""
    name = f"t{uuid.uuid4().hex[:12]}"
    Database("127.0.0.1", clickhouse.port).run(f"CREATE DATABASE {name}")
    database = Database("127.0.0.1", clickhouse.port, name)
    migrate(database)
    at = noon(request.param)
    events = scenario(at, request.param)
    given = [
        denominator("61.01", "population", "2024-12-31", 651_246),
        denominator("61.72", "population", "2024-12-31", 249_954),
        denominator("61.01.01", "population", "2024-12-31", 58_067, "scaled_2018"),
    ]
    return build(database, at, events, *given)


def recount(world: World, code: str, begin: dt.datetime, end: dt.datetime) -> dict[str, Counter[str]]:
    """By channel and, under "total", of all: how many of each."""
    found: dict[str, Counter[str]] = {"total": Counter()}
    for each in world.events:
        if begin <= each.at < end and within(code, each.village):
            name = NAMES.get(each.kind, "deactivated")
            for channel in ("total", each.channel):
                found.setdefault(channel, Counter()).update(["events", name])
    return found


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def check(world: World, code: str, side: Json) -> None:
    expected = recount(world, code, moment(side["from"]), moment(side["to"]))
    total = expected.pop("total")
    # Nothing is 0 in a region that no event had named: the scenario names all of these.
    assert +Counter(side["total"]) == total
    assert {name: +Counter(counts) for name, counts in side["channels"].items() if counts["events"]} == {
        name: counts for name, counts in expected.items() if counts
    }


@pytest.mark.parametrize("code", CODES)
def test_every_window_is_as_the_events_are(world: World, code: str) -> None:
    answer = world.ask(code)
    assert [each["window"] for each in answer["windows"]] == ["minute", "hour", "day", "today"]
    lengths = {"minute": MINUTE, "hour": HOUR, "day": 24 * HOUR}
    for each in answer["windows"]:
        now, week = each["now"], each["week_before"]
        assert moment(now["to"]) == world.at
        assert moment(now["from"]) - moment(week["from"]) == moment(now["to"]) - moment(week["to"]) == WEEK
        if each["window"] == "today":
            assert moment(now["from"]).astimezone(WIB).time() == dt.time()
            assert world.at - moment(now["from"]) == 12 * HOUR + 34 * MINUTE
        else:
            assert world.at - moment(now["from"]) == lengths[each["window"]]
        for side in (now, week):
            check(world, code, side)
        check_share(each["activated"], now["total"]["activated"], week["total"]["activated"])


def check_share(share: Json, now: int, week: int) -> None:
    value = pytest.approx(now / week, abs=1e-6) if week >= 5 else None
    assert share == {"numerator": now, "denominator": week, "value": value}


def activated(world: World, code: str, end: dt.datetime) -> int:
    midnight = end.astimezone(WIB).replace(hour=0, minute=0)
    return recount(world, code, midnight, end)["total"]["activated"]


def named(world: World, code: str, day: dt.date) -> bool:
    return any(within(code, each.village) and each.at.astimezone(WIB).date() <= day for each in world.events)


@pytest.mark.parametrize("code", ["0", "61", "61.01", "61.01.01"])
def test_those_below_are_as_the_events_are_and_the_others_are_listed(world: World, code: str) -> None:
    answer = world.ask(code, basis="population", estimate=True)
    day = world.at.astimezone(WIB).date()
    told = {each["region"]["code"]: each for each in answer["children"]}
    untold = {each["region"]["code"] for each in answer["without_data"]}
    assert told
    assert untold
    assert not set(told) & untold
    assert all(named(world, each, day) for each in told)
    assert not any(named(world, each, day) for each in untold)
    for each, figures in told.items():
        now, week = activated(world, each, world.at), activated(world, each, world.at - WEEK)
        assert figures["activated"] == now
        assert figures["week_before"] == (week if named(world, each, day - WEEK) else None)
        if figures["week_before"] is not None:
            check_share(figures["against_week"], now, week)
    assert sum(each["activated"] for each in told.values()) == activated(world, code, world.at)


def test_per_thousand_is_of_the_denominator_or_absent(world: World) -> None:
    children = {each["region"]["code"]: each for each in world.ask("61", basis="population")["children"]}
    sambas = children["61.01"]
    now = activated(world, "61.01", world.at)
    value = pytest.approx(now * 1000 / 651_246, abs=1e-6)
    assert sambas["per_thousand"] == {"numerator": now, "denominator": 651_246, "value": value}
    districts = {each["region"]["code"]: each for each in world.ask("61.01", basis="population")["children"]}
    reasons = {each["field"]: each["reason"] for each in districts["61.01.01"]["absent"]}
    assert reasons["per_thousand.value"] == "only an estimate exists; ask for it with estimate=true"
    assert districts["61.01.01"]["per_thousand"]["value"] is None
    ranking = world.ask("61.01", basis="population")["rankings"]["per_thousand"]
    assert (ranking["leaders"], ranking["laggards"]) == ([], [])
    assert set(ranking["unranked"]) == set(districts)


@pytest.mark.parametrize("figure", ["per_thousand", "against_week"])
@pytest.mark.parametrize("code", ["61", "61.01"])
def test_leaders_lead_and_laggards_lag(world: World, code: str, figure: str) -> None:
    answer = world.ask(code, basis="population", estimate=True)
    values = {each["region"]["code"]: each[figure]["value"] for each in answer["children"]}
    ranked = sorted((each for each, value in values.items() if value is not None), key=lambda c: (-values[c], c))
    half = min(5, len(ranked) // 2)
    assert answer["rankings"][figure] == {
        "leaders": ranked[:half],
        "laggards": ranked[::-1][:half],
        "unranked": [each for each, value in values.items() if value is None],
    }


@pytest.mark.parametrize("code", ["0", "61.01", "61.01.01.2001"])
def test_people_before_the_day_and_at_its_end(world: World, code: str) -> None:
    day = world.at.astimezone(WIB).date()
    ends = {"day_before": day, "day_end": day + dt.timedelta(days=1)}
    expected = {
        name: sum(
            each.kind == "Activated" and within(code, each.village)
            for each in world.events
            if each.at.astimezone(WIB).date() < before
        )
        for name, before in ends.items()
    }
    assert world.ask(code)["people"] == {"day": day.isoformat(), **expected}


def test_a_village_has_windows_and_nobody_below(world: World) -> None:
    answer = world.ask("61.01.01.2001")
    assert (answer["children"], answer["without_data"]) == ([], [])
    assert answer["windows"][3]["now"]["total"]["activated"] == activated(world, "61.01.01.2001", world.at)


def test_an_event_that_comes_late_counts_where_it_happened(clean: Database) -> None:
    at = noon(1)
    events = [Happened("Activated", VILLAGES[0], "office", at - HOUR / 2)]
    world = build(clean, at, events)
    assert world.ask("61.01")["windows"][1]["now"]["total"]["activated"] == 1
    late = happened("Activated", 900, VILLAGES[0], (at - HOUR / 3).astimezone(WIB).replace(tzinfo=None).isoformat())
    load(clean, [late])
    assert world.ask("61.01")["windows"][1]["now"]["total"]["activated"] == 2


def test_before_the_first_event_there_is_no_data_and_after_it_none_is_zero(clean: Database) -> None:
    at = noon(1)
    world = build(clean, at, [Happened("Activated", VILLAGES[0], "office", at - 3 * HOUR)])
    answer = world.ask("61.01")
    hour, today = answer["windows"][1], answer["windows"][3]
    assert hour["now"]["total"]["events"] == 0
    assert hour["week_before"]["total"] is None
    assert today["activated"] == {"numerator": 1, "denominator": None, "value": None}
    assert why(answer)["windows.today.week_before.total"].startswith("no data: nothing had been heard")
    unheard = world.ask("61.72")
    assert [each["now"]["total"] for each in unheard["windows"]] == [None] * 4
    assert unheard["people"] is None
    assert "people" in why(unheard)
    assert unheard["children"] == []
    assert len(unheard["without_data"]) == 5


def heartbeat(region: str, at: dt.datetime) -> Json:
    return report("dukcapil", region, at=at)


def test_where_a_source_is_silent_there_is_no_data_and_where_it_speaks_none_is_zero(clean: Database) -> None:
    at = noon(1)
    old = [heartbeat(region, at - 10 * 24 * HOUR) for region in ("61.01", "61.72")]
    speaks = [heartbeat("61.01", at - HOUR / 2), heartbeat("61.01", at - WEEK)]
    world = build(clean, at, [], *old, *speaks)
    for code in ("61.01", "61.01.01", "61.01.01.2001", "61"):
        assert [each["now"]["total"]["events"] for each in world.ask(code)["windows"]] == [0] * 4, code
        rates = asked(world.client, f"/v1/rates/{code}", at=world.at.isoformat())
        assert [each["total"]["events"] for each in rates["windows"]] == [0] * 3, code
    silent = world.ask("61.72")
    assert [each["now"]["total"] for each in silent["windows"]] == [None] * 4
    assert why(silent)["windows.minute.now.total"] == (
        "no data: there are no events, and the sources for this region were silent"
    )
    rates = asked(world.client, "/v1/rates/61.72", at=world.at.isoformat())
    assert [each["total"] for each in rates["windows"]] == [None] * 3
    assert why(rates)["windows.minute.total"] == why(silent)["windows.minute.now.total"]
    children = world.ask("61")
    assert [each["region"]["code"] for each in children["children"]] == ["61.01"]
    assert "61.72" in {each["region"]["code"] for each in children["without_data"]}


def test_events_count_although_the_source_is_silent(clean: Database) -> None:
    at = noon(1)
    events = [Happened("Activated", VILLAGES[0], "office", at - HOUR / 2)]
    world = build(clean, at, events, heartbeat("61.01", at - 10 * 24 * HOUR))
    windows = world.ask("61.01")["windows"]
    assert windows[0]["now"]["total"] is None  # none in this minute, and nobody vouches for it
    assert windows[1]["now"]["total"]["activated"] == 1


def test_few_of_last_week_can_not_be_compared_with(clean: Database) -> None:
    at = noon(1)
    events = [Happened("Activated", VILLAGES[0], "office", at - WEEK - n * MINUTE) for n in range(1, 5)]
    events += [Happened("Activated", VILLAGES[2], "office", at - WEEK - n * MINUTE) for n in range(1, 6)]
    answer = build(clean, at, events).ask("61.01")
    told = {each["region"]["code"]: each for each in answer["children"]}
    assert told["61.01.01"]["against_week"] == {"numerator": 0, "denominator": 4, "value": None}
    assert why(told["61.01.01"])["against_week.value"].startswith("cannot_tell: fewer than 5")
    assert told["61.01.02"]["against_week"] == {"numerator": 0, "denominator": 5, "value": 0.0}


@pytest.mark.parametrize("code", ["0", "61.01"])
def test_the_future_is_absent(world: World, code: str) -> None:
    answer = world.ask(code, at=(world.at + HOUR).isoformat())
    for each in answer["windows"]:
        assert each["now"]["total"] is each["week_before"]["total"] is None
    assert why(answer)["windows"] == "at is in the future"
    assert answer["people"] is answer["basis"] is None


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"at": "2024-06-30"}, "at"),
        ({"at": "0001-01-01T00:00:00Z"}, "at"),
        ({"at": "1999-12-31T23:59:59Z"}, "at"),
        ({"basis": "perekaman"}, "basis"),
        ({"estimate": "maybe"}, "estimate"),
        ({"limit": 3}, "(unknown)"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(world: World, query: Json, name: str) -> None:
    body = world.ask("61.01", 422, **query)
    assert [each["name"] for each in body["parameters"]] == [name]
    assert body["parameters"][0]["allowed"] or name == "(unknown)"


def test_an_unknown_region_is_404(world: World) -> None:
    assert world.ask("61.99", 404)["parameters"][0]["name"] == "code"


def test_below_the_public_level_it_takes_a_key(world: World) -> None:
    options = replace(OPTIONS, clock=lambda: world.at + dt.timedelta(seconds=1), public_level="regency")
    client = TestClient(create_app(world.database, options))
    assert client.get("/v1/live-comparison/61").status_code == 200
    assert client.get("/v1/live-comparison/61.01").status_code == 401
