"""Barriers: every figure of the API against a plain recount of the raw events, and what the table survives."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.measures.barriers import OFFICE
from api.options import ApiOptions
from events import catalogue as contracts
from events import regions
from events.catalogue import ACTIVATION
from events.codec import Event
from projections import catalogue, integrity, sql
from projections.clickhouse import Database
from tests.asking import asked, why
from tests.test_erasure import holders, subject_of
from tests.test_projections import DAY_MS, NOON, VILLAGES, event, take_in

WIB = dt.timezone(dt.timedelta(hours=7))
CLOCK = NOON + 10 * DAY_MS
OPTIONS = ApiOptions(
    clock=lambda: dt.datetime.fromtimestamp(CLOCK / 1000, dt.UTC), share_seconds=0, public_level="village"
)
FIELDS = {"reason": "reason", "step": "step", "channel": "channel", "age_band": "age_band", "device": "device_class"}
# Told again here, by the words of the rule: what the person would need another phone, age or mind for.
BEYOND_AN_OFFICE = {"no_smartphone", "os_unsupported", "under_age", "refused_privacy"}
SAYS_NOTHING = {"unknown", "other"}
REGIONS = ("0", "61", "61.01", "61.01.01.2001")
Json = dict[str, Any]


@pytest.fixture(scope="module")
def client(database: Database) -> Iterator[TestClient]:
    with TestClient(create_app(database, OPTIONS)) as each:
        yield each


def get(client: TestClient, code: str, **query: Any) -> Json:
    return asked(client, f"/v1/barriers/{code}", **query)


def symbols(name: str) -> list[str]:
    schema = json.loads(
        (Path(contracts.__file__).parent / "schemas" / ACTIVATION / "AttemptFailed.v1.avsc").read_text()
    )
    (field,) = (each for each in schema["fields"] if each["name"] == name)
    found: list[str] = field["type"]["symbols"]
    return found


def changed(one: Event, **values: Any) -> Event:
    return Event(one.type, {**one.values, **values})


def failure(draw: random.Random, person: int, at: int) -> Event:
    particulars = {name: draw.choice(symbols(name)) for name in FIELDS.values()}
    return changed(event("AttemptFailed", person, draw.choice(VILLAGES), at), **particulars)


def attempts(seed: int, count: int = 300) -> list[Event]:
    """Failures around the borders of days too, among events that are none."""
    draw = random.Random(seed)
    midnight = NOON - 12 * 3_600_000  # in western Indonesia
    log = []
    for person in range(1, count + 1):
        at = draw.choice((midnight, midnight - 1, NOON)) - draw.randrange(0, 100) * DAY_MS
        log.append(failure(draw, person, at))
        if draw.random() < 0.3:
            log.append(event(draw.choice(("Activated", "ActivationRegistered")), person, VILLAGES[0], at + 1))
    return log


def day_of(at: int) -> dt.date:
    return dt.datetime.fromtimestamp(at / 1000, WIB).date()


def text_of(village: int) -> str:
    return regions.format_code(village)


def part_of(one: Event, by: str, code: str) -> str:
    if by != "region":
        return str(one.values[FIELDS[by]])
    pieces = text_of(one.values["domicile"]).split(".")
    return ".".join(pieces[: 1 if code == "0" else min(len(code.split(".")) + 1, 4)])


def recount(log: Sequence[Event], code: str, by: str, first: dt.date, last: dt.date) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for each in log:
        village = text_of(each.values["domicile"])
        inside = code == "0" or village == code or village.startswith(code + ".")
        if each.type.name == "AttemptFailed" and inside and first <= day_of(each.values["occurred_at"]) <= last:
            found.setdefault(part_of(each, by, code), Counter())[each.values["reason"]] += 1
    return found


def check_fixable(share: Json, cannot_tell: int, counts: Counter[str]) -> None:
    told = {reason: n for reason, n in counts.items() if reason not in SAYS_NOTHING}
    fixable = sum(n for reason, n in told.items() if reason not in BEYOND_AN_OFFICE)
    total = sum(told.values())
    value = pytest.approx(fixable / total, abs=1e-6) if total >= 5 else None
    assert share == {"numerator": fixable, "denominator": total, "value": value}
    assert cannot_tell == counts.total() - total


@pytest.mark.parametrize("by", [*FIELDS, "region"])
def test_every_figure_is_what_a_plain_recount_finds(clean: Database, client: TestClient, by: str) -> None:
    log = attempts(len(by))
    take_in(clean, log[:200], cuts=3)
    take_in(clean, log[100:], cuts=2)  # some come twice
    for code in REGIONS:
        for oldest, newest in ((120, 0), (60, 20), (30, 30)):
            first, last = (day_of(NOON - days * DAY_MS) for days in (oldest, newest))
            answer = get(client, code, by=by, **{"from": first, "to": last})
            expected = recount(log, code, by, first, last)
            total = sum((counts.total() for counts in expected.values()), 0)
            assert answer["attempts_failed"] == total
            assert {each["part"]: each["share"]["numerator"] for each in answer["parts"]} == {
                part: counts.total() for part, counts in expected.items()
            }
            for each in answer["parts"]:
                counts = expected[each["part"]]
                share = {"numerator": counts.total(), "denominator": total}
                assert each["share"] == {**share, "value": pytest.approx(counts.total() / total, abs=1e-6)}
                check_fixable(each["fixable"], each["cannot_tell"], counts)
                assert (f"parts.{each['part']}.fixable.value" in why(answer)) == (each["fixable"]["value"] is None)
                assert (each["region"] is not None) == (by == "region")
            check_fixable(answer["fixable"], answer["cannot_tell"], sum(expected.values(), Counter()))
            numbers = [each["share"]["numerator"] for each in answer["parts"]]
            assert numbers == sorted(numbers, reverse=True)


def test_every_reason_of_the_contract_has_its_place() -> None:
    assert set(OFFICE) == set(symbols("reason"))
    for reason, (can_fix, how) in OFFICE.items():
        beyond = "no" if reason in BEYOND_AN_OFFICE else "cannot_tell" if reason in SAYS_NOTHING else "yes"
        assert (reason, can_fix, how is not None) == (reason, beyond, beyond == "yes")


def test_nothing_is_null_and_none_failed_is_0(clean: Database, client: TestClient) -> None:
    answer = get(client, "61.01")
    assert answer["attempts_failed"] is answer["fixable"] is answer["cannot_tell"] is None
    assert why(answer)["attempts_failed"].startswith("no data: nothing had been heard")
    take_in(clean, [event("Activated", 1, VILLAGES[0], NOON)])
    answer = get(client, "61.01")
    assert (answer["attempts_failed"], answer["parts"], answer["cannot_tell"]) == (0, [], 0)
    assert answer["fixable"] == {"numerator": 0, "denominator": 0, "value": None}
    assert why(answer)["fixable.value"].startswith("cannot_tell")
    before = get(client, "61.01", to=day_of(NOON - DAY_MS))
    assert before["attempts_failed"] is None
    ahead = get(client, "61.01", **{"from": "2149-01-01"})
    assert (ahead["attempts_failed"], why(ahead)["parts"]) == (None, "from is in the future")
    assert get(client, "61.01", to="0001-01-01")["attempts_failed"] is None


def test_particulars_recorded_last_hold_whatever_came_first(clean: Database, client: TestClient) -> None:
    first = changed(event("AttemptFailed", 1, VILLAGES[0], NOON), reason="other")
    later = changed(first, reason="code_expired", recorded_at=NOON + 5)
    take_in(clean, [later])
    take_in(clean, [first])
    assert [each["part"] for each in get(client, "61.01")["parts"]] == ["code_expired"]
    assert [each["office_can_fix"] for each in get(client, "61.01")["reasons"]] == ["yes"]


def test_an_erasure_changes_no_figure_and_leaves_no_pseudonym(clean: Database, client: TestClient) -> None:
    log = attempts(3, 20)
    take_in(clean, log)
    before = get(client, "0")["parts"]
    take_in(clean, [event("SubjectErased", 1, VILLAGES[0], CLOCK)])
    take_in(clean, log)  # what comes again still is the same
    assert holders(clean, subject_of(log[0])) == {}
    assert get(client, "0")["parts"] == before


def test_what_a_repair_takes_out_is_gone_here_too(clean: Database, client: TestClient) -> None:
    log = [event("AttemptFailed", person, VILLAGES[0], NOON) for person in (1, 2)]
    take_in(clean, log)
    integrity.remove(clean, ACTIVATION, catalogue.new_run(), [log[0].values["event_id"]])
    assert get(client, "61.01")["attempts_failed"] == 1
    take_in(clean, log)
    assert get(client, "61.01")["attempts_failed"] == 2


def test_the_migration_takes_over_what_was_there(clean: Database, client: TestClient) -> None:
    take_in(clean, attempts(4, 50))
    before = get(client, "0", by="device")["parts"]
    clean.run("TRUNCATE TABLE failure")
    (migration,) = (each for each in sql.migrations() if each.name == "failure")
    clean.run(migration.statements[-1])
    assert get(client, "0", by="device")["parts"] == before != []


def test_only_failures_are_written(clean: Database) -> None:
    log = attempts(5, 60)
    take_in(clean, log)
    (row,) = clean.rows("SELECT count() AS n FROM failure FINAL")
    assert row["n"] == sum(each.type.name == "AttemptFailed" for each in log) < len(log)


def test_what_cannot_be_asked_is_named(client: TestClient) -> None:
    answer = client.get("/v1/barriers/61.01", params={"from": "2024-07-01", "to": "2024-06-30"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert "lies after `to`" in answer.text
    assert "reason, step, region" in client.get("/v1/barriers/61.01", params={"by": "sex"}).text
    assert client.get("/v1/barriers/99").status_code == 404


def test_regions_below_need_a_key_where_they_are_small(database: Database) -> None:
    guarded = ApiOptions(clock=OPTIONS.clock, share_seconds=0, public_level="regency")
    with TestClient(create_app(database, guarded)) as client:
        assert client.get("/v1/barriers/61.01").status_code == 200
        assert client.get("/v1/barriers/61", params={"by": "region"}).status_code == 200
        assert client.get("/v1/barriers/61.01", params={"by": "region"}).status_code == 401
        assert client.get("/v1/barriers/61.01.01").status_code == 401
