"""Next visits: every village of the API's answer against a plain recount of the raw events, and their order."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.options import ApiOptions
from events import catalogue as contracts
from events import identity, regions
from events.catalogue import EVENTS
from projections.clickhouse import Database
from tests.asking import asked
from tests.test_api_world import denominator, happened, load, report

WIB = dt.timezone(dt.timedelta(hours=7))
NOW = dt.datetime(2026, 6, 21, 1, 30, tzinfo=dt.UTC)
TODAY = dt.date(2026, 6, 21)
OPTIONS = ApiOptions(clock=lambda: NOW, share_seconds=0, public_level="village")
Json = dict[str, Any]


def villages(district: str) -> list[str]:
    return [each.code for each in regions.children()[regions.parse_code(district)]]


# The first has counts of its villages and more, the second only its own, the third none: those above may have one.
COUNTED, SHARED, BARE = "61.01.01", "61.01.08", "61.01.02"
VILLAGES = [each.code for each in regions.by_number().values() if each.level == "village"]


@pytest.fixture(scope="module")
def client(database: Database) -> Iterator[TestClient]:
    with TestClient(create_app(database, OPTIONS)) as each:
        yield each


def get(client: TestClient, code: str, **query: Any) -> Json:
    return asked(client, f"/v1/next-visits/{code}", **{"basis": "recorded", **query})


def at(day: dt.date, hour: int = 10) -> str:
    return dt.datetime.combine(day, dt.time(hour)).isoformat()


def held(region: str, day: dt.date, team: int, hours: float, activated: int, number: int) -> Json:
    example = contracts.examples(EVENTS["OutreachHeld"], EVENTS["OutreachHeld"].newest)[0]
    rest = {name: value for name, value in example.items() if name != "event_id"}
    when = dt.datetime.combine(day, dt.time(7), WIB).isoformat()
    named = {"outreach_id": identity.as_text((10**20 + number).to_bytes(16, "big")), "service_region": region}
    staff = {"team_size": team, "hours": hours, "activated": activated}
    return {**rest, **named, "occurred_at": when, "recorded_at": when, **staff}


@dataclass
class World:
    """What was sent, as the oracle reads it."""

    visits: list[tuple[str, dt.date, int, float, int]] = field(default_factory=list)
    activations: list[tuple[str, dt.date]] = field(default_factory=list)
    failures: list[tuple[str, dt.date, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)

    def send(self, database: Database) -> None:
        sent = [held(*each, number) for number, each in enumerate(self.visits)]
        sent += [happened("Activated", n, code, at(day)) for n, (code, day) in enumerate(self.activations, 1)]
        sent += [
            happened("AttemptFailed", 10_000 + n, code, at(day), reason=reason)
            for n, (code, day, reason) in enumerate(self.failures)
        ]
        sent += [denominator(code, "recorded", "2024-06-30", value) for code, value in self.counts.items()]
        sent += [report("dukcapil", *self.heard)] if self.heard else []
        load(database, sent)


def scenario(seed: int) -> World:
    draw = random.Random(seed)
    world = World(heard=["61.01.02"])
    places = [*villages(COUNTED), *villages(SHARED), COUNTED, SHARED, "61.01", "61", "61.72.01", "32.01"]
    for _ in range(40):
        day = TODAY - dt.timedelta(days=draw.choice((0, 30, 364, 365, 500)))
        team, hours = draw.choice((0, 2, 4)), draw.choice((0.5, 5.0, 7.5))
        world.visits.append((draw.choice(places), day, team, hours, draw.randrange(60)))
    for code in [*villages(COUNTED)[:8], *villages(SHARED)[:5]]:
        for _ in range(draw.randrange(1, 8)):
            world.activations.append((code, TODAY - dt.timedelta(days=draw.randrange(300))))
        for _ in range(draw.randrange(12)):
            day = TODAY - dt.timedelta(days=draw.choice((0, 10, 89, 90)))
            world.failures.append((code, day, draw.choice(("no_connectivity", "no_connectivity", "other"))))
    for code in villages(COUNTED)[:6]:
        world.counts[code] = draw.choice((1, 40, 900, 1500))
    world.counts |= {COUNTED: 12_000, SHARED: 5000}
    world.counts |= ({}, {"61.01": 500_000, "61": 5_000_000}, {"61": 4_000_000}, {"0": 280_000_000})[seed % 4]
    return world


def above(code: str) -> list[str]:
    pieces = code.split(".")
    return ["0", *(".".join(pieces[:n]) for n in range(1, len(pieces) + 1))]


class Oracle:
    """The same, told in the plainest words."""

    def __init__(self, world: World) -> None:
        self.world = world

    def denominator(self, code: str) -> int | None:
        counts = self.world.counts
        if code in counts:
            return counts[code]
        nearest = next((each for each in reversed(above(code)[1:-1]) if each in counts), None)
        if nearest is None:
            return None
        below = [each for each in counts if each.startswith(nearest + ".")]
        topmost = [each for each in below if not any(each.startswith(other + ".") for other in below)]
        left = counts[nearest] - sum(counts[each] for each in topmost)
        inside = [each for each in VILLAGES if each.startswith(nearest + ".")]
        return left // sum(not any((each + ".").startswith(one + ".") for one in topmost) for each in inside)

    def expected(self, code: str) -> float | None:
        found = None
        for level in above(code):
            year = [
                (team * hours, activated)
                for place, day, team, hours, activated in self.world.visits
                if level in above(place) and day > TODAY - dt.timedelta(days=365) and team and hours
            ]
            if not year:
                continue
            hours, activated = sum(each[0] for each in year), sum(each[1] for each in year)
            found = activated / hours if found is None else (activated + 20 * found) / (hours + 20)
        return found

    def active(self, code: str) -> int | None:
        events = [each for each, _ in self.world.activations if each == code]
        return len(events) if events or any(each in above(code) for each in self.world.heard) else None

    def score(self, code: str) -> float | None:
        whole, expected = self.denominator(code), self.expected(code)
        if whole is None or expected is None or whole <= (self.active(code) or 0):
            return None
        return (whole - (self.active(code) or 0)) * expected

    def connectivity(self, code: str) -> tuple[int, int]:
        own = [
            reason for each, day, reason in self.world.failures if each == code and day > TODAY - dt.timedelta(days=90)
        ]
        return own.count("no_connectivity"), len(own)

    def blank(self, code: str) -> bool:
        without, failed = self.connectivity(code)
        return failed >= 5 and without * 2 > failed

    def last_visit(self, code: str) -> dt.date | None:
        return max((day for place, day, *_ in self.world.visits if place == code), default=None)

    def deserves(self, code: str) -> bool:
        return self.blank(code) or self.last_visit(code) is None

    def chosen(self, codes: Sequence[str], limit: int) -> tuple[list[str], set[str]]:
        """In order, and those that are in for the slots kept."""
        scores = {each: self.score(each) for each in codes}
        order = sorted((each for each in codes if scores[each] is not None), key=lambda c: (-(scores[c] or 0), c))
        best, rest = order[:limit], order[limit:]
        kept: set[str] = set()
        while sum(map(self.deserves, best)) < math.ceil(limit / 5):
            coming = next((each for each in rest if self.deserves(each) and each not in kept), None)
            leaving = next((each for each in reversed(best) if not self.deserves(each)), None)
            if coming is None or leaving is None:
                break
            best[best.index(leaving)] = coming
            kept.add(coming)
        return sorted(best, key=order.index), kept


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_every_village_is_what_a_plain_recount_finds(clean: Database, client: TestClient, seed: int) -> None:
    world = scenario(seed)
    world.send(clean)
    oracle = Oracle(world)
    for code, limit in (("61.01", 20), ("61.01", 3), (COUNTED, 2), (SHARED, 5), (villages(COUNTED)[7], 1), (BARE, 4)):
        inside = [each for each in VILLAGES if each == code or each.startswith(code + ".")]
        order, kept = oracle.chosen(inside, limit)
        answer = get(client, code, limit=limit)
        assert [each["region"]["code"] for each in answer["visits"]] == order
        assert {each["region"]["code"] for each in answer["visits"] if each["kept_slot"]} == kept
        assert answer["ranked"] == sum(oracle.score(each) is not None for each in inside)
        assert answer["not_ranked"] == len(inside) - answer["ranked"]
        assert answer["slots_kept"] == math.ceil(limit / 5)
        for each in answer["visits"]:
            check(oracle, each)
        assert all(oracle.score(each["region"]["code"]) is None for each in answer["not_ranked_first"])


def check(oracle: Oracle, told: Json) -> None:
    code, why = told["region"]["code"], told["why"]
    assert told["score"] == pytest.approx(oracle.score(code), abs=1e-5)
    assert why["expected_per_staff_hour"] == pytest.approx(oracle.expected(code), abs=1e-6)
    assert why["denominator"]["value"] == oracle.denominator(code)
    assert why["denominator"]["estimated"] == (code not in oracle.world.counts)
    assert why["active"] == oracle.active(code)
    assert why["not_yet_active"] == (oracle.denominator(code) or 0) - (oracle.active(code) or 0)
    last = oracle.last_visit(code)
    assert why["last_visit"] == (last.isoformat() if last else None)
    days = [day for each, day in oracle.world.activations if each == code]
    assert why["last_activation"] == (max(days).isoformat() if days else None)
    without, failed = oracle.connectivity(code)
    value = pytest.approx(without / failed, abs=1e-6) if failed >= 5 else None
    assert why["no_connectivity"] == {"numerator": without, "denominator": failed, "value": value}
    assert (told["blank_spot"], told["never_visited"]) == (oracle.blank(code), last is None)
    nulls = {f"why.{name}" for name in ("active", "last_visit", "last_activation") if why[name] is None}
    nulls |= {"why.no_connectivity.value"} if value is None else set()
    assert {each["field"] for each in told["absent"]} == nulls


def test_a_village_that_can_not_be_ranked_is_named_with_its_reason(clean: Database, client: TestClient) -> None:
    code = villages(COUNTED)[0]
    answer = get(client, code)
    assert (answer["visits"], answer["not_ranked"]) == ([], 1)
    assert "no denominator published" in answer["not_ranked_first"][0]["reason"]
    World(counts={code: 1}, activations=[(code, TODAY)]).send(clean)
    assert get(client, code)["not_ranked_first"][0]["reason"] == "the denominator holds nobody who is not active"
    World(counts={villages(COUNTED)[1]: 100}).send(clean)
    assert get(client, villages(COUNTED)[1])["not_ranked_first"][0]["reason"].startswith("cannot_tell: no outreach")


def test_few_own_visits_are_drawn_towards_the_level_above(clean: Database, client: TestClient) -> None:
    one, other = villages(COUNTED)[:2]
    visits = [(one, TODAY, 2, 1.0, 20), (COUNTED, TODAY, 4, 50.0, 80)]
    World(counts={one: 1000, other: 1000}, visits=visits).send(clean)
    told = {each["region"]["code"]: each["why"] for each in get(client, COUNTED)["visits"]}
    # Above the village 100 in 202 staff hours; its own two hours weigh a tenth of the twenty of the level above.
    expected = 100 / 202
    assert told[other]["expected_per_staff_hour"] == pytest.approx(expected, abs=1e-6)
    assert told[one]["expected_per_staff_hour"] == pytest.approx((20 + 20 * expected) / 22, abs=1e-6)
    assert (told[one]["expected_from"], told[other]["expected_from"]) == ("village", "district")


def test_a_visit_reported_again_is_one_visit_as_told_last(clean: Database, client: TestClient) -> None:
    one = villages(COUNTED)[0]
    World(counts={one: 1000}).send(clean)
    told = held(one, TODAY, 4, 5.0, 10, 1)
    late = dt.datetime.combine(TODAY, dt.time(8), WIB).isoformat()
    load(clean, [told, {**told, "recorded_at": late, "activated": 30}, {**told, "activated": 20}])
    (visit,) = get(client, one)["visits"]
    (level,) = [each for each in visit["why"]["levels"] if each["region"]["code"] == one]
    assert (level["visits"], level["activated"], level["staff_hours"]) == (1, 30, 20.0)


def test_a_past_day_is_answered_by_what_had_happened_by_then(clean: Database, client: TestClient) -> None:
    one = villages(COUNTED)[0]
    then = TODAY - dt.timedelta(days=400)
    visits = [(one, then, 2, 5.0, 20), (one, TODAY, 2, 5.0, 90)]
    activations = [(one, then), (one, TODAY)]
    World(counts={one: 1000}, visits=visits, activations=activations).send(clean)
    (told,) = get(client, one, as_of=then)["visits"]
    assert (told["why"]["active"], told["why"]["last_visit"]) == (1, then.isoformat())
    assert told["why"]["expected_per_staff_hour"] == 2.0
    (now,) = get(client, one)["visits"]
    assert (now["why"]["active"], now["why"]["expected_per_staff_hour"]) == (2, 9.0)


def test_what_cannot_be_asked_is_named(client: TestClient) -> None:
    for day in (TODAY + dt.timedelta(days=1), dt.date(1999, 12, 31)):
        refused = client.get("/v1/next-visits/61.01", params={"as_of": day.isoformat()})
        assert (refused.status_code, refused.json()["parameters"][0]["name"]) == (422, "as_of")
    answer = client.get("/v1/next-visits/61.01", params={"limit": 0})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert "limit" in answer.text
    assert client.get("/v1/next-visits/99").status_code == 404


def test_villages_need_a_key_where_they_are_not_public(database: Database) -> None:
    guarded = ApiOptions(clock=OPTIONS.clock, share_seconds=0, public_level="district")
    with TestClient(create_app(database, guarded)) as client:
        assert client.get("/v1/next-visits/61").status_code == 401
