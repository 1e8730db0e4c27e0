"""Served here, counted here: every cell and total of the API against a plain recount of the raw events."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.measures.served import ServedAnswer
from projections.clickhouse import Database
from tests.asking import asked, why, within
from tests.conftest import empty
from tests.test_api_world import NOW, OPTIONS, WIB, happened, load, report

Json = dict[str, Any]
TODAY = NOW.astimezone(WIB).date()
# Offices of all levels: the nation's, a province's, of regencies, a district, a village; in Sambas, beside it, far off.
OFFICES = ("0", "61", "61.01", "61.01.01", "61.01.01.2001", "61.01.02", "61.72", "61.07", "32.01", "32.01.07")
HOMES = ("61.01.01.2001", "61.01.01.2002", "61.01.02.2003", "61.01.08.2002", "61.72.01.1001", "32.01.07.2001")
CODES = ("0", "61", "61.01", "61.01.01", "61.01.01.2001", "61.72", "32")
KINDS = ("Activated", "Activated", "Activated", "ActivationRegistered", "AttemptFailed", "Deactivated")
PERIODS = ((29, 0), (10, 10), (60, 20), (3, 1))


@dataclass(frozen=True)
class Activation:
    """What the oracle knows of an event."""

    kind: str
    office: str
    home: str
    day: dt.date


def scenario(seed: int) -> list[tuple[Activation, Json]]:
    """Events of three months; the same people come again and again."""
    draw = random.Random(seed)
    found = []
    for number in range(400):
        kind, office, home = draw.choice(KINDS), draw.choice(OFFICES), draw.choice(HOMES)
        at = NOW.astimezone(WIB).replace(tzinfo=None) - dt.timedelta(minutes=draw.randrange(90 * 1440))
        sent = happened(kind, 1 + number % 50, home, at.isoformat(), service_region=office)
        found.append((Activation(kind, office, home, at.date()), sent))
    # Just before midnight and at it, in western Indonesia.
    for clock in ("2026-05-31T23:59:59.999", "2026-06-01T00:00:00"):
        sent = happened("Activated", 77, HOMES[0], clock, service_region="61.01")
        found.append((Activation("Activated", "61.01", HOMES[0], dt.date.fromisoformat(clock[:10])), sent))
    return found


SCENARIO = scenario(7)


@pytest.fixture(scope="module")
def client(database: Database) -> Iterator[TestClient]:
    empty(database)
    sent = [each for _, each in SCENARIO]
    load(database, [*sent[:250], report("dukcapil-61.71", "61.71"), report("dukcapil-61.01", "61.01")])
    load(database, sent[200:])  # some come twice
    with TestClient(create_app(database, replace(OPTIONS, public_level="village"))) as each:
        yield each


def ask(client: TestClient, code: str, status: int = 200, /, **query: Any) -> Json:
    return asked(client, f"/v1/served/{code}", status, **query)


def part_of(code: str, place: str) -> str | None:
    """The region directly below `code`, or of a village itself, that a place lies in; by the text of its code."""
    if not within(code, place):
        return None
    if code.count(".") == 3:
        return code
    depth = 0 if code == "0" else code.count(".") + 1
    parts = place.split(".")
    return None if place == "0" or len(parts) <= depth else ".".join(parts[: depth + 1])


def named(place: Json) -> str:
    return place["region"]["code"] if place["region"] else "elsewhere"


def recount(code: str, first: dt.date, last: dt.date) -> Counter[tuple[str, str]]:
    """By domicile and office, as the answer calls them."""
    found: Counter[tuple[str, str]] = Counter()
    for each, _ in SCENARIO:
        if each.kind != "Activated" or not first <= each.day <= last:
            continue
        if not within(code, each.home) and not within(code, each.office):
            continue
        office = part_of(code, each.office)
        if office is None:
            office = each.office if within(code, each.office) or within(each.office, code) else "elsewhere"
        found[part_of(code, each.home) or "elsewhere", office] += 1
    return found


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("code", CODES)
def test_every_cell_and_total_is_as_the_events_are(client: TestClient, code: str, period: tuple[int, int]) -> None:
    first, last = (TODAY - dt.timedelta(days=each) for each in period)
    answer = ask(client, code, **{"from": first, "to": last})
    truth = recount(code, first, last)
    assert {(named(each["domicile"]), named(each["office"])): each["activations"] for each in answer["cells"]} == truth
    assert answer["total"] == sum(truth.values())
    for totals in ("domiciles", "offices"):
        assert sum(each["activations"] or 0 for each in answer[totals]) == answer["total"], totals
    check_domiciles(answer, code, truth)
    check_offices(answer, code, truth)


def check_domiciles(answer: Json, code: str, truth: Counter[tuple[str, str]]) -> None:
    for each in answer["domiciles"]:
        place = named(each["place"])
        made = {office: n for (home, office), n in truth.items() if home == place}
        if each["activations"] is None:
            assert not made
            assert why(each)["activations"] == "no events and no source reports for this region"
            continue
        if place == "elsewhere":
            assert each["activations"] == sum(made.values()) > 0
            assert each["within"] is each["by_offices_above"] is each["elsewhere"] is None
            assert set(why(each)) == {"within", "by_offices_above", "elsewhere"}
            assert "only what was done for them within it" in why(each)["elsewhere"]
            continue
        above = sum(n for office, n in made.items() if office not in (place, "elsewhere") and within(office, code))
        assert each["activations"] == sum(made.values())
        assert each["within"] == made.get(place, 0)
        assert each["by_offices_above"] == above
        check_share(each, "elsewhere", sum(made.values()) - above - made.get(place, 0), sum(made.values()))


def check_offices(answer: Json, code: str, truth: Counter[tuple[str, str]]) -> None:
    for each in answer["offices"]:
        place = named(each["place"])
        made = {home: n for (home, office), n in truth.items() if office == place}
        if each["activations"] is None:
            assert not made
            continue
        assert each["activations"] == sum(made.values())
        if place == "elsewhere" or not within(code, place):
            assert each["outsiders"] is None
            assert "only what they did for its residents" in why(each)["outsiders"]
            continue
        # Of the region's own office, those who live outside the region; of a part's, those outside the part.
        outside = made.get("elsewhere", 0) if place == code and code.count(".") < 3 else sum(made.values())
        if place != code or code.count(".") == 3:
            outside -= made.get(place, 0)
        check_share(each, "outsiders", outside, sum(made.values()))


def check_share(each: Json, field: str, part: int, whole: int) -> None:
    value = pytest.approx(part / whole, abs=1e-6) if whole else None
    assert each[field] == {"numerator": part, "denominator": whole, "value": value}
    assert (f"{field}.value" in why(each)) == (not whole)


def codes(places: Sequence[Json]) -> list[str]:
    return [named(each["place"]) for each in places]


def test_every_part_has_a_row_and_silent_ones_are_null(client: TestClient) -> None:
    answer = ask(client, "61")
    assert len(set(codes(answer["domiciles"])) - {"elsewhere"}) == 14
    assert codes(answer["domiciles"])[:14] == codes(answer["offices"])[:14]
    assert codes(answer["domiciles"])[14:] == ["elsewhere"]  # the nation's others, whom offices here served
    silent = next(each for each in answer["domiciles"] if named(each["place"]) == "61.02")
    assert silent["activations"] is silent["within"] is silent["elsewhere"] is None
    heard = next(each for each in answer["domiciles"] if named(each["place"]) == "61.71")
    assert (heard["activations"], heard["within"]) == (0, 0)


def test_none_in_these_days_is_0_where_events_have_named_the_region(client: TestClient) -> None:
    quiet = {"from": "2024-01-01", "to": "2024-01-02"}
    assert ask(client, "32", **quiet)["total"] == 0
    children = {named(each["place"]): each["activations"] for each in ask(client, "32", **quiet)["domiciles"]}
    assert (children["32.01"], children["32.02"]) == (0, None)


def test_where_nobody_speaks_nothing_is_told(client: TestClient) -> None:
    answer = ask(client, "73.01")
    assert (answer["total"], answer["cells"]) == (None, [])
    assert why(answer)["total"] == "no events and no source reports for this region"
    assert {each["activations"] for each in answer["domiciles"]} == {None}


def test_a_day_begins_at_midnight_in_western_indonesia(client: TestClient) -> None:
    for day in ("2026-05-31", "2026-06-01"):
        truth = recount("61.01", dt.date.fromisoformat(day), dt.date.fromisoformat(day))
        assert ask(client, "61.01", **{"from": day, "to": day})["total"] == sum(truth.values()) > 0


def test_the_days_that_are_left_out(client: TestClient) -> None:
    assert days(ask(client, "61.01")) == (TODAY - dt.timedelta(days=29), TODAY)
    assert days(ask(client, "61.01", to="2026-05-30")) == (dt.date(2026, 5, 1), dt.date(2026, 5, 30))
    assert days(ask(client, "61.01", **{"from": "2026-06-20"})) == (dt.date(2026, 6, 20), TODAY)
    assert days(ask(client, "61.01", **{"from": "2024-01-01"})) == (dt.date(2024, 1, 1), dt.date(2024, 12, 31))


def days(answer: Json) -> tuple[dt.date, dt.date]:
    return dt.date.fromisoformat(answer["from"]), dt.date.fromisoformat(answer["to"])


@pytest.mark.parametrize(
    ("query", "name", "reason"),
    [
        ({"from": "2026-06-22"}, "from", "lies in the future"),
        ({"to": "2026-06-22"}, "to", "lies in the future"),
        ({"from": "1999-12-31"}, "from", "lies before 2000-01-01"),
        ({"to": "0001-01-01"}, "to", "lies before 2000-01-01"),
        ({"from": "2026-06-02", "to": "2026-06-01"}, "from", "lies after `to`"),
        ({"from": "2025-06-01", "to": "2026-06-02"}, "from", "more than 366 days; ask for fewer"),
        ({"from": "yesterday"}, "from", None),
        ({"form": "2026-06-01"}, "(unknown)", "no parameter of this route; it takes from, to"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(client: TestClient, query: Json, name: str, reason: str | None) -> None:
    (told,) = ask(client, "61.01", 422, **query)["parameters"]
    assert told["name"] == name
    assert reason is None or told["reason"] == reason
    assert told["allowed"] or name == "(unknown)"


def test_an_unknown_region_is_404(client: TestClient) -> None:
    assert ask(client, "61.99", 404)["parameters"][0]["name"] == "code"


def test_parts_below_the_public_level_need_a_key(database: Database) -> None:
    with TestClient(create_app(database, replace(OPTIONS, public_level="regency"))) as client:
        assert client.get("/v1/served/61").status_code == 200
        assert client.get("/v1/served/61.01").status_code == 401


def test_the_example_fits_its_model() -> None:
    (example,) = ServedAnswer.model_json_schema()["examples"]
    assert set(ServedAnswer.model_validate(example).model_dump(by_alias=True)) == set(example)
    for totals in ("cells", "domiciles", "offices"):
        assert sum(each["activations"] for each in example[totals]) == example["total"], totals
