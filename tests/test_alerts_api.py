"""Alerts as the API lists them, against a plain reading of their events; and who may acknowledge them."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.measures.alerts import UNITS, Alert, AlertsAnswer
from api.stream.options import StreamOptions
from cakupan.alerts.book import alert_id
from cakupan.alerts.finding import Key
from events import identity, regions
from events.rules import looks_like_nik
from projections import keys
from projections.alerts import KINDS
from projections.clickhouse import Database
from tests.asking import asked, why, within
from tests.conftest import empty, free_port
from tests.test_api_world import NOW, OPTIONS, load

Json = dict[str, Any]
YEAR = dt.timedelta(days=366)
CODES = ("0", "61", "61.01", "61.01.01", "61.01.01.2001", "61.07", "32.01")
ASKED = ("0", "61", "61.01", "61.01.01.2001", "32", "62")
HIDDEN = "alerts of regions below the public level are left out; they show to a key whose scope holds them"


def events(seed: int) -> list[Json]:
    """Alerts of every kind and region, some acknowledged, by two of them, some cleared; told in any order and twice."""
    draw = random.Random(seed)
    found: list[Json] = []
    for n, (code, kind) in enumerate(itertools.product(CODES, KINDS)):
        for earlier in range(draw.randrange(3)):
            at = NOW - draw.randrange(1, 500) * dt.timedelta(minutes=17)
            found += told(code, kind, earlier, at, n, draw)
    draw.shuffle(found)
    return found


def told(code: str, kind: Any, earlier: int, at: dt.datetime, n: int, draw: random.Random) -> Iterator[Json]:
    subject = {"silence": f"dukcapil-{n}", "integrity_difference": "ikd.activation.v1"}.get(kind, "")
    own = {
        "source": "cakupan",
        "service_region": "0",
        "region": code,
        "alert_id": identity.as_text(alert_id(Key(kind, regions.parse_code(code), subject), earlier)),
        "kind": kind,
        "subject": subject,
    }
    numbers = {"since": at.isoformat(), "measured": n + earlier / 8, "threshold": n / 2, "reason": f"raised {n}"}
    yield happened("AlertRaised", at, {**own, **numbers})
    if draw.random() < 0.2:  # another one who watches saw it a moment later
        yield happened("AlertRaised", at + dt.timedelta(seconds=1), {**own, **numbers, "reason": "later"})
    for by in draw.choice(((), ("dukcapil-kalbar",), ("dukcapil-kalbar", "pusat"))):
        at += dt.timedelta(minutes=3)
        yield happened("AlertAcknowledged", at, {**own, "acknowledged_by": by})
    if draw.random() < 0.5:
        yield happened("AlertCleared", at + dt.timedelta(hours=1), {**own, **numbers, "reason": "over"})


def happened(kind: str, at: dt.datetime, values: Json) -> Json:
    return {"type": kind, "occurred_at": at.isoformat(), "recorded_at": at.isoformat(), **values}


EVENTS = events(6)


def moment(at: dt.datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


NOT_YET = ("acknowledged_at", "acknowledged_by", "cleared_at", "cleared_reason")


def recount() -> list[Json]:
    """Every alert as it stands, the newest first: event by event, in the order of time."""
    found: dict[str, Json] = {}
    for each in sorted(EVENTS, key=lambda each: each["occurred_at"]):
        at, kind = moment(dt.datetime.fromisoformat(each["occurred_at"])), each["type"]
        alert = found.setdefault(each["alert_id"], dict.fromkeys(NOT_YET))
        if kind == "AlertRaised" and "raised_at" not in alert:
            alert |= {name: each[name] for name in ("alert_id", "kind", "subject", "measured", "threshold", "reason")}
            alert |= {"region": each["region"], "unit": UNITS[each["kind"]], "raised_at": at, "state": "raised"}
            alert["since"] = at
        elif kind == "AlertAcknowledged" and alert["acknowledged_at"] is None:
            alert |= {"acknowledged_at": at, "acknowledged_by": each["acknowledged_by"], "state": "acknowledged"}
        elif kind == "AlertCleared":
            alert |= {"cleared_at": at, "cleared_reason": each["reason"], "state": "cleared"}
    by_id = sorted(found.values(), key=lambda each: str(each["alert_id"]))
    return sorted(by_id, key=lambda each: dt.datetime.fromisoformat(each["raised_at"]), reverse=True)


@pytest.fixture(scope="module")
def database_(database: Database) -> Database:
    empty(database)
    load(database, [*EVENTS, *EVENTS[::3]])
    load(database, EVENTS[::4])
    return database


@pytest.fixture(scope="module")
def client(database_: Database) -> Iterator[TestClient]:
    with TestClient(create_app(database_, replace(OPTIONS, public_level="village"))) as each:
        yield each


def items(answer: Json) -> list[Json]:
    return [{**each, "region": each["region"]["code"]} for each in answer["items"]]


@pytest.mark.parametrize("state", ["open", "raised", "acknowledged", "cleared", "all"])
@pytest.mark.parametrize("code", ASKED)
def test_alerts_are_listed_as_they_stand(client: TestClient, code: str, state: str) -> None:
    states = {"open": ("raised", "acknowledged"), "all": ("raised", "acknowledged", "cleared")}.get(state, (state,))
    expected = [each for each in recount() if each["state"] in states and within(code, each["region"])]
    answer = asked(client, f"/v1/alerts/{code}", state=state)
    assert items(answer) == expected
    counts = Counter(each["kind"] for each in expected)
    assert answer["kinds"] == {kind: counts[kind] for kind in KINDS}
    assert (answer["total"], answer["state"]) == (len(expected), state)
    for kind in KINDS:
        of_kind = asked(client, f"/v1/alerts/{code}", state=state, kind=kind)
        assert items(of_kind) == [each for each in expected if each["kind"] == kind]


def test_all_states_and_kinds_are_among_them() -> None:
    found = recount()
    assert {each["state"] for each in found} == {"raised", "acknowledged", "cleared"}
    assert {each["kind"] for each in found} == set(KINDS)


def test_metrics_count_what_is_open(client: TestClient) -> None:
    counts = Counter((each["kind"], each["state"]) for each in recount())
    said = client.get("/metrics").text.splitlines()
    for kind in KINDS:
        for state in ("raised", "acknowledged"):
            assert f'cakupan_open_alerts{{kind="{kind}",state="{state}"}} {float(counts[kind, state])}' in said
    assert not any("cleared" in each for each in said)


def test_pages_and_what_is_asked_for_by_default(client: TestClient) -> None:
    whole = asked(client, "/v1/alerts/0")
    assert whole["items"] == asked(client, "/v1/alerts/0", state="open")["items"]
    part = asked(client, "/v1/alerts/0", limit=3, offset=2)
    assert (part["total"], part["items"]) == (whole["total"], whole["items"][2:5])


def test_alerts_of_small_regions_show_to_who_holds_them(database_: Database) -> None:
    with TestClient(create_app(database_, replace(OPTIONS, public_level="regency"))) as client:
        secret = keys.add(database_, "sambas", 6101, 3, NOW + YEAR, NOW)
        open_ = [each for each in recount() if each["state"] != "cleared"]
        small = {code for code in CODES if code.count(".") > 1}
        for code in ("0", "61.01"):
            hidden = asked(client, f"/v1/alerts/{code}")
            expected = [each for each in open_ if within(code, each["region"]) and each["region"] not in small]
            assert items(hidden) == expected
            assert why(hidden)["items"] == HIDDEN
            mine = client.get(f"/v1/alerts/{code}", headers={"X-API-Key": secret}).json()
            assert items(mine) == [each for each in open_ if within(code, each["region"])]
            assert "items" not in why(mine)


def test_who_may_acknowledge_and_what(database_: Database) -> None:
    secret = keys.add(database_, "kalbar", 61, 3, NOW + YEAR, NOW)
    away = replace(OPTIONS, public_level="village", stream=StreamOptions(f"127.0.0.1:{free_port()}"))
    own = {each["state"]: each["alert_id"] for each in recount() if within("61", each["region"])}
    other = next(each["alert_id"] for each in recount() if each["region"] == "32.01")
    with TestClient(create_app(database_, away)) as client:

        def post(id_: str, key: str = secret) -> tuple[int, Json]:
            answer = client.post(f"/v1/alerts/{id_}/acknowledge", headers={"X-API-Key": key} if key else {})
            assert answer.status_code == 200 or answer.headers["content-type"] == "application/problem+json"
            return answer.status_code, answer.json()

        assert post(own["raised"], "")[0] == 401
        assert post(own["raised"], "wrong")[0] == 401
        status, told_ = post(other)
        assert (status, "scope is 61" in told_["detail"]) == (403, True)
        for unknown in ("fire", "61.07", identity.as_text(alert_id(Key("stall", 0), 99))):
            status, told_ = post(unknown)
            assert (status, told_["type"]) == (404, "urn:cakupan:problem:unknown-alert")
            assert "fire" not in told_["detail"]
        status, told_ = post(own["cleared"])
        assert (status, told_["type"]) == (409, "urn:cakupan:problem:alert-cleared")
        status, told_ = post(own["acknowledged"])
        assert (status, told_["acknowledged_by"] in ("dukcapil-kalbar", "pusat")) == (200, True)
        status, told_ = post(own["raised"])
        assert (status, told_["away"][0]["name"]) == (503, "kafka")
        assert client.get(f"/v1/alerts/{other}/acknowledge").status_code == 405


def test_no_id_looks_like_a_nik() -> None:
    """An address that does is refused before any route sees it."""
    ids = [identity.as_text(alert_id(Key("stall", region), n)) for region in (0, 61, 6101) for n in range(3000)]
    assert len(set(ids)) == len(ids)
    assert not any(map(looks_like_nik, ids))


@pytest.mark.parametrize("model", [Alert, AlertsAnswer])
def test_the_examples_fit_their_models(model: type[Alert | AlertsAnswer]) -> None:
    (example,) = model.model_json_schema()["examples"]
    assert set(model.model_validate(example).model_dump(by_alias=True)) == set(example)
