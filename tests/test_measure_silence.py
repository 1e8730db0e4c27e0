"""Silence: what every source has said, and what came, against a plain recount of the raw events and reports."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.measures.silence import SilenceAnswer
from projections import keys
from projections.clickhouse import Database
from tests.asking import asked, within
from tests.conftest import empty
from tests.test_api_world import NOW, OPTIONS, WIB, happened, load, report

Json = dict[str, Any]
TODAY = NOW.astimezone(WIB).date()
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
YEAR = 366 * DAY
SOURCES = {
    "dukcapil-61.01": ("61.01",),
    "dukcapil-61.07": ("61.07", "61.72.01"),  # it speaks for a district beside it too
    "dukcapil-61": ("61",),
    "desa": ("61.01.01.2001", "61.01.02.2003"),
    "dukcapil-32.01": ("32.01",),
    "kemendagri": ("0",),
}
HOMES = ("61.01.01.2001", "61.01.01.2002", "61.01.02.2003", "61.07.01.2001", "61.72.01.1001", "32.01.07.2001")
CODES = ("0", "61", "61.01", "61.01.01", "61.01.01.2001", "61.01.01.2002", "61.72", "32.01")


@dataclass(frozen=True)
class Said:
    """A report, as the oracle knows it."""

    source: str
    at: dt.datetime
    complete: dt.datetime
    sent: int


def reports(seed: int) -> list[Said]:
    """Some regular, some rare; one source has been away for long, one spoke once; one report is yet to come."""
    draw = random.Random(seed)
    found = []
    for number, source in enumerate(SOURCES):
        silent = (0.2, 9.0, 40.0, 3.0, 500.0, 0.5)[number]
        at = NOW - silent * DAY
        for _ in range((60, 12, 10, 1, 30, 200)[number]):
            at = at.replace(microsecond=at.microsecond // 1000 * 1000)
            complete = draw.choice((at, at - dt.timedelta(minutes=1), midnight(at), at - 3 * DAY))
            found.append(Said(source, at, complete, draw.randrange(10_000)))
            at -= draw.choice((0.1, 1.0, 1.0, 2.5, 12.0)) * DAY
    found.append(Said("dukcapil-61.07", NOW + HOUR, NOW + HOUR, 1))
    return found


def midnight(at: dt.datetime) -> dt.datetime:
    return at.astimezone(WIB).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(dt.UTC)


def sent(said: Said) -> Json:
    times = {"occurred_at": said.at.isoformat(), "recorded_at": said.at.isoformat()}
    complete = {"complete_until": said.complete.isoformat(), "events_sent": said.sent}
    return {**report(said.source, *SOURCES[said.source]), **times, **complete}


def activations(seed: int) -> list[tuple[str, dt.date]]:
    """Of another person each: where they live, and the day. Nobody in the last days of Bengkayang, though it spoke."""
    draw = random.Random(seed)
    found = []
    for _ in range(300):
        home, day = draw.choice(HOMES), TODAY - draw.randrange(400) * DAY
        if not home.startswith("61.07") or day < TODAY - 30 * DAY:
            found.append((home, day))
    return found


REPORTS, ACTIVATED = reports(3), activations(4)


@pytest.fixture(scope="module")
def client(database: Database) -> Iterator[TestClient]:
    empty(database)
    given = [sent(each) for each in REPORTS]
    load(database, [*given, *given[::3]])
    people = [happened("Activated", n + 1, home, f"{day}T01:00:00") for n, (home, day) in enumerate(ACTIVATED)]
    load(database, people)
    with TestClient(create_app(database, replace(OPTIONS, public_level="village"))) as each:
        yield each


def ask(client: TestClient, code: str, status: int = 200, /, **query: Any) -> Json:
    return asked(client, f"/v1/silence/{code}", status, **query)


def recount(code: str, days: int) -> dict[tuple[str, str], Json]:
    """By source and region that it speaks for."""
    found = {}
    for source, spoken_for in SOURCES.items():
        for region in spoken_for:
            if within(code, region) or within(region, code):
                found[source, region] = told(source, region, code, days)
    return found


def told(source: str, region: str, code: str, days: int) -> Json:
    said = [each for each in REPORTS if each.source == source and each.at <= NOW]
    times = sorted({each.at for each in said})
    silence = NOW - times[-1]
    recent = [each for each in times if each >= NOW - YEAR]
    gaps = sorted(b - a for a, b in itertools.pairwise(recent))
    complete = max(each.complete for each in said)
    counted = code if within(region, code) else region
    homes = [day for home, day in ACTIVATED if within(counted, home)]
    whole = [
        day
        for day in (TODAY - n * DAY for n in range(1, days + 1))
        # All of the day is in: it ended when the next one began.
        if dt.datetime.combine(day + DAY, dt.time(), WIB) <= complete
    ]
    among = sum(day in whole for day in homes)
    started = complete.astimezone(WIB).date()
    longest = TODAY - DAY - YEAR
    state = "no_news" if not whole else "activations" if among else "no_activations"
    share = None
    if len(gaps) >= 10:
        longer = sum(each > silence for each in gaps)
        share = {"numerator": longer, "denominator": len(gaps), "value": pytest.approx(longer / len(gaps), abs=1e-6)}
    return {
        "inherited": region != code and within(region, code),
        "counted_for": counted,
        "state": state,
        "days": days,
        "covered_days": len(whole),
        "activations": among if whole else None,
        "activations_since": sum(max(started, longest) <= day for day in homes),
        "reported_at": times[-1],
        "complete_until": complete,
        "events_sent": next(each.sent for each in said if each.at == times[-1]),
        "silence_seconds": round(silence.total_seconds(), 3),
        "usual_gap_seconds": gaps[(len(gaps) - 1) // 2].total_seconds() if gaps else None,
        "longer_gaps": share,
    }


@pytest.mark.parametrize("days", [1, 7, 30, 90])
@pytest.mark.parametrize("code", CODES)
def test_every_source_is_told_as_it_spoke(client: TestClient, code: str, days: int) -> None:
    answer = ask(client, code, days=days)
    truth = recount(code, days)
    items = {(each["source"], each["region"]["code"]): each for each in answer["items"]}
    assert items.keys() == truth.keys()
    for key, expected in truth.items():
        assert shape(items[key]) == expected, key
    assert answer["states"] == {
        state: sum(each["state"] == state for each in truth.values())
        for state in ("activations", "no_activations", "no_news")
    }
    silences = [each["silence_seconds"] for each in answer["items"]]
    assert silences == sorted(silences, reverse=True)
    assert (answer["from"], answer["to"]) == (str(TODAY - days * DAY), str(TODAY - DAY))


def shape(item: Json) -> Json:
    names = {each["field"] for each in item["absent"]}
    nulls = {name for name in ("activations", "usual_gap_seconds", "longer_gaps") if item[name] is None}
    assert names == nulls
    left_out = ("source", "region", "absent")
    times = {name: dt.datetime.fromisoformat(item[name]) for name in ("reported_at", "complete_until")}
    return {
        **{name: value for name, value in item.items() if name not in left_out},
        "counted_for": item["counted_for"]["code"],
        **times,
    }


def test_all_three_states_are_among_them(client: TestClient) -> None:
    states = {each["state"] for days in (1, 7, 30) for each in ask(client, "0", days=days)["items"]}
    assert states == {"activations", "no_activations", "no_news"}


def test_a_village_inherits_what_the_regency_says(client: TestClient) -> None:
    items = ask(client, "61.01.01.2002")["items"]
    regency = next(each for each in items if each["source"] == "dukcapil-61.01")
    assert (regency["inherited"], regency["counted_for"]["code"]) == (True, "61.01.01.2002")
    assert regency["region"]["code"] == "61.01"


def test_thin_pasts_cannot_tell(client: TestClient) -> None:
    items = {each["source"]: each for each in ask(client, "0")["items"]}
    once = {each["field"]: each["reason"] for each in items["desa"]["absent"]}
    assert once["usual_gap_seconds"] == "the source has reported once in the last year, or never, so there is no gap"
    assert once["longer_gaps"].startswith("cannot_tell: fewer than 10 earlier gaps")


def test_where_nobody_ever_spoke(clean: Database) -> None:
    load(clean, [sent(REPORTS[0])])
    with TestClient(create_app(clean, OPTIONS)) as client:
        answer = ask(client, "73.01")
    assert (answer["items"], answer["total"]) == ([], 0)
    (reason,) = [each["reason"] for each in answer["absent"] if each["field"] == "items"]
    assert reason == "no source has ever spoken for this region, one above it or one within it"


def test_a_source_may_be_complete_ahead_of_its_clock(clean: Database) -> None:
    """What it vouches for ahead of time counts for whole days before today only."""
    ahead = Said("dukcapil-61.01", NOW - DAY, NOW + 5 * DAY, 3)
    load(clean, [sent(ahead), happened("Activated", 1, HOMES[0], f"{TODAY - DAY}T05:00:00")])
    with TestClient(create_app(clean, OPTIONS)) as client:
        (item,) = ask(client, "61.01")["items"]
    assert (item["covered_days"], item["activations"], item["activations_since"]) == (7, 1, 0)


def test_pages_and_parameters(clean: Database) -> None:
    load(clean, [sent(each) for each in REPORTS])
    with TestClient(create_app(clean, OPTIONS)) as client:
        whole = ask(client, "0")
        part = ask(client, "0", limit=2, offset=1)
        assert (part["total"], part["items"]) == (whole["total"], whole["items"][1:3])
        for name, value in (("days", 0), ("days", 91), ("limit", 0), ("day", 1)):
            (told,) = ask(client, "61", 422, **{name: value})["parameters"]
            assert told["name"] == (name if name != "day" else "(unknown)")
            assert told["allowed"] or name == "day"
        assert ask(client, "61.99", 404)["parameters"][0]["name"] == "code"


def test_regions_below_the_public_level_show_to_who_holds_them(clean: Database) -> None:
    load(clean, [sent(each) for each in REPORTS])
    with TestClient(create_app(clean, replace(OPTIONS, public_level="regency"))) as client:
        secret = keys.add(clean, "sambas", 6101, 3, NOW + YEAR, NOW)
        assert levels(client, {}) == ["nation", "province", "regency", "regency", "regency"]
        # The key opens the villages of Sambas, not the district of Singkawang that Bengkayang speaks for.
        assert levels(client, {"X-API-Key": secret}) == ["nation", "province", *3 * ["regency"], *2 * ["village"]]
        assert client.get("/v1/silence/61.01.01").status_code == 401
        assert client.get("/v1/silence/61.01.01", headers={"X-API-Key": secret}).status_code == 200


def test_what_is_left_out_is_not_called_unsaid(clean: Database) -> None:
    """A source that speaks for villages alone has spoken, whoever asks; so has one beside others that show."""
    load(clean, [sent(each) for each in REPORTS if each.source in ("desa", "dukcapil-32.01")])
    hidden = "what is said of regions below the public level is left out; it shows to a key whose scope holds them"
    with TestClient(create_app(clean, replace(OPTIONS, public_level="regency"))) as client:
        secret = keys.add(clean, "sambas", 6101, 3, NOW + YEAR, NOW)
        told = {code: ask(client, code) for code in ("61.01", "0", "32.01")}
        assert {code: len(each["items"]) for code, each in told.items()} == {"61.01": 0, "0": 1, "32.01": 1}
        reasons = {code: reason_for_items(each) for code, each in told.items()}
        assert reasons == {"61.01": hidden, "0": hidden, "32.01": None}
        mine = client.get("/v1/silence/61.01", headers={"X-API-Key": secret}).json()
        assert (len(mine["items"]), reason_for_items(mine)) == (2, None)


def reason_for_items(answer: Json) -> str | None:
    return next((each["reason"] for each in answer["absent"] if each["field"] == "items"), None)


def levels(client: TestClient, headers: dict[str, str]) -> list[str]:
    """Of the regions that sources of the nation speak for, as they show to a caller."""
    return sorted(each["region"]["level"] for each in client.get("/v1/silence/0", headers=headers).json()["items"])


def test_the_example_fits_its_model() -> None:
    (example,) = SilenceAnswer.model_json_schema()["examples"]
    assert set(SilenceAnswer.model_validate(example).model_dump(by_alias=True)) == set(example)
