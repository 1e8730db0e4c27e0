"""The funnel: every figure of the API against a plain recount of the raw events, and what its table survives."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.options import ApiOptions
from events import codec, identity
from events.catalogue import EVENTS, OUTREACH, examples
from events.codec import Event
from events.jsonform import values_of_version
from projections import catalogue, integrity, pseudonyms, sql, stages
from projections.clickhouse import Database
from streams import staging
from streams.staging import stage_forever
from tests.asking import asked, why
from tests.conftest import empty
from tests.test_erasure import holders, subject_of
from tests.test_projections import DAY_MS, NOON, NOW, VILLAGES, event, take_in

WIB = dt.timezone(dt.timedelta(hours=7))
MONTH_MS = 30 * DAY_MS
CLOCK = NOON + 10 * DAY_MS
OPTIONS = ApiOptions(
    clock=lambda: dt.datetime.fromtimestamp(CLOCK / 1000, dt.UTC),
    share_seconds=0,
    clickhouse_setting="CAKUPAN_CLICKHOUSE_HOST",
    public_level="village",
)
STAGES = ("knowledge", "persuasion", "decision", "implementation", "confirmation")
KINDS = (
    "ActivationRegistered",
    "FaceVerified",
    "QrVerified",
    "Activated",
    "FirstUsed",
    "Deactivated",
    "SubjectArrived",
    "AttemptFailed",
)
Json = dict[str, Any]


@pytest.fixture(scope="module")
def client(database: Database) -> Iterator[TestClient]:
    with TestClient(create_app(database, OPTIONS)) as each:
        yield each


def get(client: TestClient, code: str, **query: Any) -> Json:
    return asked(client, f"/v1/funnel/{code}", **query)


def stage(database: Database) -> None:
    for _ in stages.refresh(database):
        pass


def lives(seed: int, people: int = 150) -> list[Event]:
    """People who come so far, skip steps, register twice and elsewhere, and whose clocks are wrong now and then."""
    draw = random.Random(seed)
    log = []
    for person in range(1, people + 1):
        at = CLOCK - draw.randrange(0, 100 * DAY_MS)
        for kind in KINDS[: draw.randint(1, len(KINDS))]:
            if draw.random() < 0.15:
                continue
            for salt in range(1 if draw.random() < 0.8 else 2):
                log.append(event(kind, person, draw.choice(VILLAGES), min(at, CLOCK), salt))
                at += draw.choice((-3_600_000, 60_000, 7_200_000, 2 * DAY_MS, 9 * DAY_MS, 33 * DAY_MS))
    return log


def held(region: int, at: int, reached: int, kind: str = "OutreachHeld") -> bytes:
    base = examples(EVENTS[kind], EVENTS[kind].newest)[0]
    values = values_of_version(EVENTS[kind], EVENTS[kind].newest, base, NOW)
    told = {"OutreachHeld": "reached", "CampaignPublished": "reach"}[kind]
    named = identity.derived_event_id(at, kind, region)
    known = {"occurred_at": at, "recorded_at": at, "event_id": named}
    activity = {"outreach_id": named} if kind == "OutreachHeld" else {}
    return codec.encode(kind, {**values, **known, **activity, "service_region": region, told: reached})


def put_outreach(database: Database, records: Sequence[bytes]) -> None:
    decoded = codec.decode_batch(OUTREACH, records, [NOW] * len(records))
    assert decoded.refused == []
    catalogue.insert(database, OUTREACH, decoded.frames, catalogue.new_run())


def day_of(at: int) -> dt.date:
    return dt.datetime.fromtimestamp(at / 1000, WIB).date()


class Person:
    """One person's events, told in the plainest words."""

    def __init__(self, log: Sequence[Event]) -> None:
        order = sorted(log, key=lambda each: (each.values["occurred_at"], each.values["event_id"]))
        self.firsts: dict[str, Event] = {}
        for each in order:
            self.firsts.setdefault(each.type.name, each)
        self.entry = self.firsts.get("ActivationRegistered") or self.firsts.get("Activated")
        self.registered, self.face, self.qr, self.activated, self.used = (self.at(kind) for kind in KINDS[:5])
        self.decided = max(self.face, self.qr) if self.face is not None and self.qr is not None else None
        self.kept = False
        if self.activated is not None and self.activated + MONTH_MS <= CLOCK:
            status = [
                each.type.name
                for each in order
                if each.type.name in ("Activated", "Deactivated")
                and each.values["occurred_at"] <= self.activated + MONTH_MS
            ]
            self.kept = status[-1] == "Activated"
        rank = 1
        if self.decided is not None:
            rank = 2
        if self.activated is not None:
            rank = 3
        if self.used is not None or self.kept:
            rank = 4
        self.rank = rank

    def at(self, kind: str) -> int | None:
        return self.firsts[kind].values["occurred_at"] if kind in self.firsts else None


def recount(log: Sequence[Event], low: int, high: int, first: dt.date, last: dt.date) -> Json:
    by_person: dict[bytes, list[Event]] = defaultdict(list)
    for each in log:
        by_person[subject_of(each)].append(each)
    cohort = []
    for events in by_person.values():
        one = Person(events)
        if one.entry is None:
            continue
        if low <= one.entry.values["domicile"] <= high and first <= day_of(one.entry.values["occurred_at"]) <= last:
            cohort.append(one)
    old = CLOCK - MONTH_MS
    entered = [(each, each.entry.values["occurred_at"]) for each in cohort if each.entry is not None]
    waits = [(CLOCK - at) / DAY_MS for each, at in entered if each.rank < 3]
    return {
        "people": [sum(each.rank >= n for each in cohort) for n in (1, 2, 3, 4)],
        "observed": [
            sum(at is not None for at in ats)
            for ats in (
                [each.registered for each in cohort],
                [each.decided for each in cohort],
                [each.activated for each in cohort],
                [each.used for each in cohort],
            )
        ],
        "dropped_out": [
            (sum(each.rank < n for each, at in some if at <= old), sum(at <= old for _, at in some))
            for n, some in (
                (2, entered),
                (3, [(each, each.decided) for each in cohort if each.decided is not None]),
                (4, [(each, each.activated) for each in cohort if each.activated is not None]),
            )
        ],
        "time_spent": [
            times([(each.registered, each.decided) for each in cohort]),
            times([(each.decided, each.activated) for each in cohort]),
            times([(each.activated, each.used) for each in cohort]),
        ],
        "waiting": [
            sum(low_ <= each < high_ for each in waits)
            for low_, high_ in ((0, 1), (1, 3), (3, 7), (7, 30), (30, math.inf))
        ],
        "undecided": sum(each.activated is not None and each.used is None and each.activated > old for each in cohort),
    }


def times(pairs: Sequence[tuple[int | None, int | None]]) -> tuple[int, int, list[float | None]]:
    both = [b - a for a, b in pairs if a is not None and b is not None]
    spent = sorted(each for each in both if each >= 0)
    if len(spent) < 5:
        return len(spent), len(both) - len(spent), [None, None, None]
    return len(spent), len(both) - len(spent), [quantile(spent, q) for q in (0.25, 0.5, 0.75)]


def quantile(ordered: Sequence[int], q: float) -> float:
    """In seconds, of milliseconds; between two neighbours by the straight line."""
    place = q * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return round((ordered[below] + (place - below) * (ordered[above] - ordered[below])) / 1000, 3)


def told(answer: Json) -> Json:
    later = answer["stages"][1:]
    return {
        "people": [each["people"] for each in later],
        "observed": [each["observed"] for each in later],
        "dropped_out": [
            (each["dropped_out"]["numerator"], each["dropped_out"]["denominator"])
            for each in later
            if each["dropped_out"]
        ],
        "time_spent": [
            (spent["people"], spent["reversed"], [spent["first_quartile"], spent["median"], spent["third_quartile"]])
            for spent in (each["time_spent"] for each in later[1:])
        ],
        "waiting": [each["people"] for each in answer["waiting"]],
        "undecided": answer["undecided"],
    }


REGIONS = (("0", 0, 10**10), ("61", 61 * 10**8, 62 * 10**8 - 1), ("61.01.01.2001", VILLAGES[0], VILLAGES[0]))
PERIODS = ((100, 0), (60, 20), (31, 29), (3, 0))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_figure_is_what_a_plain_recount_finds(clean: Database, client: TestClient, seed: int) -> None:
    log = lives(seed)
    shuffled = random.Random(seed).sample(log, len(log))
    for part in (shuffled[: len(log) // 2], shuffled[len(log) // 3 :]):  # some come twice
        take_in(clean, part, cuts=3)
        stage(clean)
        clean.run("OPTIMIZE TABLE activation_event FINAL")
    for code, low, high in REGIONS:
        for oldest, newest in PERIODS:
            first, last = (day_of(CLOCK - days * DAY_MS) for days in (oldest, newest))
            answer = get(client, code, **{"from": first, "to": last})
            assert told(answer) == recount(log, low, high, first, last), (code, first, last)
            assert answer["staged"]["inserts_waiting"] == 0
            for before, after in zip(answer["stages"][1:], answer["stages"][2:], strict=False):
                share = after["conversion"]
                assert (share["numerator"], share["denominator"]) == (after["people"], before["people"])
                assert share["value"] == (round(after["people"] / before["people"], 6) if before["people"] else None)
                assert after["people"] <= before["people"]


def test_knowledge_is_what_offices_reported_and_campaigns_stand_apart(clean: Database, client: TestClient) -> None:
    take_in(clean, [event("ActivationRegistered", n, VILLAGES[0], NOON) for n in (1, 2, 3)])
    stage(clean)
    assert get(client, "61.01")["stages"][0]["people"] is None
    reason = why(get(client, "61.01"))
    assert reason["stages.knowledge.people"] == reason["stages.persuasion.conversion"]
    told_at = NOON - DAY_MS
    records = [held(region, told_at, reached) for region, reached in ((6101012001, 2), (610101, 30), (6101, 400))]
    put_outreach(clean, [*records, *records, held(61, told_at, 5000), held(6101, told_at, 9, "CampaignPublished")])
    answer = get(client, "61.01")
    assert [each["stage"] for each in answer["stages"]] == list(STAGES)
    knowledge, persuasion = answer["stages"][:2]
    assert knowledge["people"] == 432
    assert answer["outreach"] == {"held": 3, "campaigns": 1, "campaign_reach": 9}
    assert persuasion["conversion"] == {"numerator": 3, "denominator": 432, "value": 0.006944}
    assert persuasion["same_people"] is False
    more = get(client, "61.01.01.2001")["stages"][1]["conversion"]
    assert more == {"numerator": 3, "denominator": 2, "value": 1.5}  # never clamped
    assert get(client, "0")["stages"][0]["people"] == 5432


def test_thin_times_are_not_told(clean: Database, client: TestClient) -> None:
    for people in range(1, 6):
        take_in(clean, [event(kind, people, VILLAGES[0], NOON + n) for n, kind in enumerate(KINDS[:4])])
        stage(clean)
        answer = get(client, "61.01")
        spent = answer["stages"][2]["time_spent"]
        assert (spent["people"], spent["median"] is None) == (people, people < 5)
        assert ("stages.decision.time_spent" in why(answer)) == (people < 5)


def test_nothing_is_null_and_never_0(clean: Database, client: TestClient) -> None:
    answer = get(client, "61.01")
    assert answer["stages"] == answer["waiting"] == []
    assert answer["undecided"] is answer["no_registration"] is answer["outreach"] is None
    assert why(answer)["stages"] == "no events and no source reports for this region"
    take_in(clean, [event("ActivationRegistered", 1, VILLAGES[4], NOON)])
    assert why(get(client, "61.01"))["stages"].startswith("people are being counted by stage for the first time")
    stage(clean)
    assert why(get(client, "61.01"))["stages"] == "no events and no source reports for this region"
    assert get(client, "32.01")["stages"][1]["people"] == 1
    ahead = get(client, "32.01", **{"from": "2149-01-01"})
    assert (ahead["stages"], why(ahead)["stages"]) == ([], "from is in the future")
    assert get(client, "32.01", **{"from": "0001-01-01", "to": "1901-01-01"})["stages"][1]["people"] == 0
    assert get(client, "32.01", to="0001-01-01")["stages"][1]["people"] == 0


def test_what_cannot_be_asked_is_named(client: TestClient) -> None:
    answer = client.get("/v1/funnel/61.01", params={"from": "2024-07-01", "to": "2024-06-30"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert "lies after `to`" in answer.text
    assert client.get("/v1/funnel/61.01", params={"form": "2024-07-01"}).status_code == 422
    assert client.get("/v1/funnel/99").status_code == 404


def test_small_regions_need_a_key(database: Database) -> None:
    guarded = ApiOptions(clock=OPTIONS.clock, share_seconds=0, public_level="regency")
    with TestClient(create_app(database, guarded)) as client:
        assert client.get("/v1/funnel/61.01").status_code == 200
        assert client.get("/v1/funnel/61.01.01").status_code == 401


def test_it_says_how_many_inserts_are_not_counted_yet(clean: Database, client: TestClient) -> None:
    take_in(clean, [event("ActivationRegistered", 1, VILLAGES[0], NOON)])
    stage(clean)
    take_in(clean, [event("Activated", 1, VILLAGES[0], NOON + 1), event("Activated", 2, VILLAGES[0], NOON)], cuts=2)
    behind = get(client, "61.01")
    assert (behind["staged"]["inserts_waiting"], behind["stages"][3]["people"]) == (2, 0)
    stage(clean)
    level = get(client, "61.01")
    assert (level["staged"]["inserts_waiting"], level["stages"][3]["people"]) == (0, 2)
    assert level["no_registration"] == 1


def test_an_earlier_registration_that_comes_late_moves_the_person(clean: Database, client: TestClient) -> None:
    take_in(clean, [event("ActivationRegistered", 1, VILLAGES[0], NOON)])
    stage(clean)
    take_in(clean, [event("ActivationRegistered", 1, VILLAGES[4], NOON - 5 * DAY_MS)])
    stage(clean)
    assert get(client, "61.01")["stages"][1]["people"] == 0
    assert get(client, "32.01")["stages"][1]["people"] == 1
    assert get(client, "0")["stages"][1]["people"] == 1


def test_one_who_stops_on_the_way_leaves_nothing_undone(
    clean: Database, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "CHUNK_EVENTS", 2)
    # Pseudonyms from all over, so that there are several parts.
    log = [event("ActivationRegistered", n << 120, VILLAGES[0], NOON) for n in range(1, 250, 25)]
    take_in(clean, log, cuts=2)
    steps = stages.refresh(clean)
    assert next(steps) == 4
    next(steps)
    steps.close()
    assert not stages.stand(clean).whole
    # What comes in meanwhile, of one who was staged already and of one who was not.
    late = [event("Activated", n << 120, VILLAGES[0], NOON + 1) for n in (1, 226)]
    take_in(clean, late)
    assert list(stages.refresh(clean))[-1] == 0
    assert stages.stand(clean).whole
    list(stages.refresh(clean))
    assert [each["people"] for each in get(client, "61.01")["stages"][1:4]] == [len(log), len(late), len(late)]
    assert list(stages.refresh(clean)) == []


def staged_by(database: Database) -> list[Json]:
    return database.rows("SELECT subject_id, version FROM person_stage ORDER BY subject_id, version")


def test_who_goes_on_stages_nobody_twice(clean: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "CHUNK_EVENTS", 2)
    take_in(clean, [event("ActivationRegistered", n << 120, VILLAGES[0], NOON) for n in range(1, 250, 25)])
    steps = stages.refresh(clean)
    next(steps)
    next(steps)
    steps.close()
    begun = staged_by(clean)
    clean.run("SYSTEM STOP MERGES person_stage")
    try:
        stage(clean)
        assert len(staged_by(clean)) == 10 > len(begun) > 0
    finally:
        clean.run("SYSTEM START MERGES person_stage")


def test_the_migration_takes_over_how_far_staging_had_come(clean: Database) -> None:
    take_in(clean, [event("ActivationRegistered", 1, VILLAGES[0], NOON)])
    stage(clean)
    before = stages.stand(clean)
    old: dict[str, list[Any]] = {
        "mark": [before.mark],
        "block": [before.block],
        "settled": [before.settled],
        "staged_at": [before.staged_at],
    }
    clean.insert("staged", old)
    clean.run("TRUNCATE TABLE staging")
    assert stages.stand(clean).due
    (migration,) = (each for each in sql.migrations() if each.name == "staged_on_the_way")
    clean.run(migration.statements[-1])
    assert not stages.stand(clean).due


def test_two_who_stage_everybody_at_once_lose_nobody(
    clean: Database, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "CHUNK_EVENTS", 2)
    log = [event("ActivationRegistered", n << 120, VILLAGES[0], NOON) for n in range(1, 250, 25)]
    take_in(clean, log)
    one, other = stages.refresh(clean), stages.refresh(clean)
    order = [one, other, one, one, other, one, one, one, other]
    left = [next(each, None) for each in order]
    assert left[7] is None  # the first is done, the second is still on the way
    assert stages.stand(clean).whole
    assert get(client, "61.01")["stages"][1]["people"] == len(log)
    list(other)
    assert stages.stand(clean).whole
    assert get(client, "61.01")["stages"][1]["people"] == len(log)


def test_an_erasure_leaves_no_pseudonym_and_every_figure(clean: Database, client: TestClient) -> None:
    log = lives(5, 20)
    take_in(clean, log)
    stage(clean)
    before = told(get(client, "0"))
    subject = subject_of(log[0])
    assert "person_stage" in holders(clean, subject)
    take_in(clean, [event("SubjectErased", 1, VILLAGES[0], CLOCK)])
    assert holders(clean, subject) == {}
    assert told(get(client, "0")) == before
    stage(clean)
    assert holders(clean, subject) == {}
    assert told(get(client, "0")) == before


def test_who_was_erased_before_being_staged_is_staged_under_the_hash_alone(clean: Database, client: TestClient) -> None:
    log = lives(6, 20)
    subject = subject_of(log[0])
    take_in(clean, log)
    take_in(clean, [event("SubjectErased", 1, VILLAGES[0], CLOCK)])
    stage(clean)
    assert holders(clean, subject) == {}
    erased = told(get(client, "0"))
    empty(clean)
    take_in(clean, log)
    stage(clean)
    assert erased == told(get(client, "0"))


def test_a_pseudonym_written_while_it_is_erased_goes_too(clean: Database, client: TestClient) -> None:
    log = lives(6, 20)
    take_in(clean, log)
    stage(clean)
    before = told(get(client, "0"))
    subject = subject_of(log[0])
    take_in(clean, [event("FaceVerified", 1, VILLAGES[0], CLOCK)])
    names = "day, village, subject_id, counts, entered_at, kept, version"
    clean.run(f"CREATE TABLE late ENGINE = Memory AS SELECT {names} FROM person_stage FINAL")
    take_in(clean, [event("SubjectErased", 1, VILLAGES[0], CLOCK)])
    try:  # another worker had read the person's events before, and writes now
        clean.run(
            f"INSERT INTO person_stage ({names}) SELECT {names} FROM late WHERE subject_id = unhex('{subject.hex()}')"
        )
    finally:
        clean.run("DROP TABLE late")
    assert set(holders(clean, subject)) == {"person_stage"}
    stage(clean)
    assert holders(clean, subject) == {}
    assert told(get(client, "0"))["people"][0] == before["people"][0]


def test_what_a_repair_takes_out_is_staged_anew(clean: Database, client: TestClient) -> None:
    extra = event("Activated", 1, VILLAGES[0], NOON + 1)
    take_in(clean, [event("ActivationRegistered", 1, VILLAGES[0], NOON), extra])
    stage(clean)
    assert get(client, "61.01")["stages"][3]["people"] == 1
    integrity.remove(clean, "ikd.activation.v1", catalogue.new_run(), [extra.values["event_id"]])
    assert get(client, "61.01")["stages"] == []
    stage(clean)
    assert [each["people"] for each in get(client, "61.01")["stages"][1:]] == [1, 0, 0, 0]


def test_another_table_in_the_place_of_the_base_is_staged_from_its_start(clean: Database, client: TestClient) -> None:
    take_in(clean, [event("ActivationRegistered", 1, VILLAGES[0], NOON)])
    stage(clean)
    try:
        clean.run("ALTER TABLE activation_event MODIFY COMMENT 'rebuilt 1'")  # as a switch marks it
        assert not stages.stand(clean).whole
        assert get(client, "61.01")["stages"] == []
        stage(clean)
        assert get(client, "61.01")["stages"][1]["people"] == 1
    finally:
        clean.run("ALTER TABLE activation_event MODIFY COMMENT ''")
        empty(clean)


def test_beside_a_worker_people_are_staged_when_it_is_not_behind(clean: Database, client: TestClient) -> None:
    take_in(clean, [event("ActivationRegistered", 1, VILLAGES[0], NOON)])
    pressed = [True, True, False]
    looked: list[bool] = []

    def behind() -> bool:
        looked.append(pressed.pop(0) if len(pressed) > 1 else pressed[0])
        assert stages.stand(clean).begun is False or not looked[-1]
        return looked[-1]

    async def run() -> None:
        task = asyncio.create_task(stage_forever(clean, behind, seconds=0.01))
        while not (await asyncio.to_thread(stages.stand, clean)).whole:
            await asyncio.sleep(0.02)
        task.cancel()

    asyncio.run(asyncio.wait_for(run(), 60))
    assert looked[:3] == [True, True, False]
    assert get(client, "61.01")["stages"][1]["people"] == 1


@pytest.mark.parametrize("there_meanwhile", [False, True])
def test_staging_that_began_before_the_first_event_comes_to_an_end(clean: Database, there_meanwhile: bool) -> None:
    """A worker starts before anything has happened, or just as it does."""
    nothing_yet = stages.stand(clean)
    if there_meanwhile:
        stages._note(clean, replace(nothing_yet, generation=1, next=pseudonyms.PREFIXES))
    else:
        stage(clean)
    take_in(clean, [event("ActivationRegistered", 1, VILLAGES[0], NOON)])
    stage(clean)
    stand = stages.stand(clean)
    assert (stand.whole, stand.due) == (True, False)


def test_a_worker_at_rest_leaves_people_more_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else they would be a minute late after a large import, with nothing else to do."""
    monkeypatch.setattr(staging, "LOOK_SECONDS", 0.01)
    rested: list[bool] = []

    async def pause(at_rest: bool) -> None:
        await staging._pause(0.05, 0.0, lambda: at_rest)
        rested.append(at_rest)

    async def both() -> None:
        await asyncio.gather(pause(at_rest=False), pause(at_rest=True))

    asyncio.run(asyncio.wait_for(both(), 60))
    assert rested == [True, False]


def test_a_database_that_is_away_is_named_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    tries = 0

    def behind() -> bool:
        nonlocal tries
        tries += 1
        return False

    async def run() -> None:
        task = asyncio.create_task(stage_forever(Database("127.0.0.1", 1), behind, seconds=0.01))
        while tries < 3:
            await asyncio.sleep(0.02)
        assert not task.done()
        task.cancel()

    asyncio.run(asyncio.wait_for(run(), 60))
    said = [each.getMessage() for each in caplog.records if each.name == "streams.staging"]
    assert len(said) == 1
    assert "127.0.0.1:1" in said[0]
