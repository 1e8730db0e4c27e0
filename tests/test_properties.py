"""Whole logs of every type, delivered in any way at all: every table's rows are the same, and what an oracle says.

CAKUPAN_EXAMPLES is the number of logs: a handful in the ordinary run, thousands when somebody wants to be sure.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import codec, identity
from events.catalogue import ACTIVATION, EVENTS, HEARTBEAT, OUTREACH, REFERENCE, examples
from events.codec import Event
from events.jsonform import values_of_version
from projections import catalogue, sql
from projections.clickhouse import Database
from tests.chaos import oracle
from tests.conftest import empty
from tests.test_projections import DAY_MS, NOON, NOW, VILLAGES, contents, event, take_in

Batches = list[list[Event]]
Rows = list[tuple[Any, ...]]

OFFICES = (6101, 6172, 3201, 0)
SKEWS_MS = (0, 5_000, -3_600_000, 9 * DAY_MS)  # a clock that is behind, a team that was offline for days
# Few moments, so that events share a millisecond and days have borders (17:00 UTC is midnight in western Indonesia).
MOMENTS = [NOON + day * DAY_MS + ms for day in (0, 1, 6) for ms in (0, 1, 9 * 3_600_000)]
PEOPLE = tuple(name for name, each in EVENTS.items() if each.topic == ACTIVATION)
OTHERS = tuple(name for name, each in EVENTS.items() if each.topic in (OUTREACH, REFERENCE, HEARTBEAT))
MOVING = ("Activated", "Deactivated", "SubjectArrived", "SubjectDeparted")


def of_person(name: str, person: int, village: int, at: int, salt: int) -> Event:
    """An event of a person; `salt` makes its office and its source's clock too, so one id has one content."""
    made = event(name, person, village, at, salt)
    skewed = {"recorded_at": at + SKEWS_MS[salt % 4], "service_region": OFFICES[salt // 2 % 4]}
    return Event(made.type, {**made.values, **skewed})


def of_others(name: str, at: int, salt: int) -> Event:
    """An event of outreach, reference or heartbeat."""
    kind = EVENTS[name]
    values = values_of_version(kind, kind.newest, examples(kind, kind.newest)[salt % 2 - 1], NOW)
    made = {
        "event_id": identity.derived_event_id(at, name, salt),
        "occurred_at": at,
        "recorded_at": at + SKEWS_MS[salt % 4],
    }
    return Event(kind, {**values, **made})


people = st.builds(
    of_person,
    st.sampled_from(MOVING * 3 + PEOPLE),
    st.integers(1, 3),
    st.sampled_from(VILLAGES[:4]),
    st.sampled_from(MOMENTS),
    st.integers(0, 7),
)
others = st.builds(of_others, st.sampled_from(OTHERS), st.sampled_from(MOMENTS), st.integers(0, 3))
logs = st.tuples(st.lists(people, min_size=3, max_size=16), st.lists(others, min_size=1, max_size=6)).map(
    lambda parts: [*parts[0], *parts[1]]
)


def cut(log: Sequence[Event], chance: random.Random) -> Batches:
    """Batches of any size, empty ones left out."""
    places = sorted(chance.choices(range(len(log) + 1), k=3))
    return [list(log[a:b]) for a, b in zip([0, *places], [*places, len(log)], strict=True) if b > a]


def shuffled(log: Sequence[Event], chance: random.Random) -> list[Event]:
    return chance.sample(list(log), len(log))


def doubled(log: Sequence[Event], chance: random.Random) -> list[Event]:
    return shuffled([*log, *chance.sample(list(log), len(log) // 2), *log[:2]], chance)


def interleaved(log: Sequence[Event], chance: random.Random) -> list[Event]:
    """Each partition in its own order, and all of them in any."""
    partitions: dict[Any, list[Event]] = defaultdict(list)
    for each in log:
        partitions[each.type.topic, each.values.get("subject_id", b"\0")[-1] % 2].append(each)
    turns = shuffled([key for key, part in partitions.items() for _ in part], chance)
    return [partitions[key].pop(0) for key in turns]


def late(log: Sequence[Event], chance: random.Random) -> list[Event]:
    """Some come after all others, the last to happen first."""
    held = set(chance.sample(range(len(log)), len(log) // 3))
    return [e for n, e in enumerate(log) if n not in held] + [log[n] for n in sorted(held, reverse=True)]


def replayed(log: Sequence[Event], chance: random.Random) -> list[Event]:
    """All, and once more from somewhere in the middle."""
    return [*log, *log[chance.randrange(len(log)) :]]


def recut(log: Sequence[Event], chance: random.Random) -> list[Event]:
    return list(log)


WAYS: Mapping[str, Callable[[Sequence[Event], random.Random], list[Event]]] = {
    "shuffled": shuffled,
    "doubled": doubled,
    "interleaved": interleaved,
    "late": late,
    "replayed": replayed,
    "cut otherwise": recut,
}
EXAMPLES = max(1, int(os.environ.get("CAKUPAN_EXAMPLES", "12")) // len(WAYS))


def deliver(database: Database, batches: Batches) -> None:
    """As a worker takes them in: each batch, topic by topic."""
    for batch in batches:
        for topic in sorted({each.type.topic for each in batch}):
            part = [each for each in batch if each.type.topic == topic]
            if topic == ACTIVATION:
                take_in(database, part)
                continue
            raws = [codec.encode(each.type.name, each.values) for each in part]
            decoded = codec.decode_batch(topic, raws, [NOW] * len(part))
            assert decoded.refused == []
            catalogue.insert(database, topic, decoded.frames, catalogue.new_run())


def tables(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table that events or answers are written to."""
    names = ("activity", "outreach_event", "denominator", "target", "figure", "source_report")
    return contents(database) | {t: database.rows(f"SELECT * FROM {t} FINAL ORDER BY ALL") for t in names}


def fact(each: Event) -> oracle.Fact:
    v = each.values
    if each.type.topic != ACTIVATION:
        return oracle.Fact(v["event_id"], each.type.name, "other")
    who, where, office = v["subject_id"], v["domicile"], v["service_region"]
    return oracle.Fact(v["event_id"], each.type.name, "activation_event", who, where, office, v["occurred_at"])


def agrees(database: Database, log: Sequence[Event]) -> None:
    """Coverage, rates, service, and a row an event, as the oracle counts them."""
    facts = list({each.values["event_id"]: fact(each) for each in log}.values())
    found = database.rows("SELECT * FROM coverage_day FINAL")
    fields = oracle.FIELDS
    assert {
        (row["region"], row["day"]): {n: row[n] for n in fields} for row in found if any(row[n] for n in fields)
    } == {key: dict(counts) for key, counts in oracle.coverage(facts).items()}
    for query, expected in (("verify_service", oracle.offices(facts)), ("verify_rates", oracle.homes(facts))):
        assert {(row["region"], row["day"]): row["events"] for row in database.rows(sql.query(query))} == dict(expected)
    events = list({each.values["event_id"]: each for each in log}.values())
    for table, (columns, expected_rows) in COPIES.items():
        rows = database.stream(f"SELECT {columns} FROM {table} FINAL")
        assert sorted(rows) == sorted(expected_rows(events)), table


def _named(events: Sequence[Event], *names: str) -> list[dict[str, Any]]:
    return [{**each.values, "type": each.type.name} for each in events if each.type.name in names]


def _person_rows(events: Sequence[Event]) -> Rows:
    names = ("type", "occurred_at", "recorded_at", "domicile", "service_region", "sex", "age_band")
    return [(v["event_id"].hex(), *(v.get(n, "unknown") for n in names)) for v in _named(events, *PEOPLE)]


def _outreach_rows(events: Sequence[Event]) -> Rows:
    rows = _named(events, "OutreachPlanned", "OutreachHeld", "OutreachCancelled", "CampaignPublished")
    return [
        (v["event_id"].hex(), v["type"], v["occurred_at"], v.get("place", ""), v.get("reached", v.get("reach", 0)))
        for v in rows
    ]


def _denominator_rows(events: Sequence[Event]) -> Rows:
    rows = _named(events, "DenominatorReleased")
    return [(v["event_id"].hex(), v["region"], v["basis"], v["vintage"], v["value"], v["method"] or "") for v in rows]


def _target_rows(events: Sequence[Event]) -> Rows:
    rows = _named(events, "TargetSet")
    return [(v["event_id"].hex(), v["region"], v["basis"], v["ratio"], v["valid_from"]) for v in rows]


def _figure_rows(events: Sequence[Event]) -> Rows:
    return [
        (v["event_id"].hex(), v["region"], v["reported_on"], v["printed"]) for v in _named(events, "FigureReported")
    ]


def _report_rows(events: Sequence[Event]) -> Rows:
    rows = _named(events, "SourceReported")
    return [(v["event_id"].hex(), region, v["source"], v["events_sent"]) for v in rows for region in v["regions"]]


_ID = "lower(hex(event_id))"
COPIES: Mapping[str, tuple[str, Callable[[Sequence[Event]], Rows]]] = {
    "activation_event": (
        f"{_ID}, type, toUnixTimestamp64Milli(occurred_at), toUnixTimestamp64Milli(recorded_at), domicile,"
        " service_region, sex, age_band",
        _person_rows,
    ),
    "outreach_event": (f"{_ID}, type, toUnixTimestamp64Milli(occurred_at), place, reached", _outreach_rows),
    "denominator": (f"{_ID}, region, basis, toInt32(vintage), value, method", _denominator_rows),
    "target": (f"{_ID}, region, basis, ratio, toInt32(valid_from)", _target_rows),
    "figure": (f"{_ID}, region, toInt32(reported_on), printed", _figure_rows),
    "source_report": (f"{_ID}, region, source, events_sent", _report_rows),
}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=logs, seed=st.integers(0, 10_000))
def test_delivered_in_any_way_the_tables_are_the_same(
    database: Database, way: str, log: list[Event], seed: int
) -> None:
    chance = random.Random(seed)
    empty(database)
    deliver(database, [log])
    first = tables(database)
    agrees(database, log)
    empty(database)
    deliver(database, cut(WAYS[way](log, chance), chance))
    assert tables(database) == first


A, B = VILLAGES[0], VILLAGES[3]
LIVES = {
    "arrival before departure": [("Activated", A, 0), ("SubjectArrived", B, 2), ("SubjectDeparted", A, 3)],
    "arrival before the activation in the old village": [("SubjectArrived", B, 0), ("Activated", A, 0)],
    "re-activation": [("Activated", A, 0), ("Deactivated", A, 3), ("Activated", B, 6)],
    "death": [("Activated", A, 0), ("SubjectArrived", B, 3), ("Deactivated", B, 6)],
    "erasure": [("Activated", A, 0), ("SubjectErased", A, 3), ("SubjectArrived", B, 6)],
    "one millisecond": [("Activated", A, 0), ("Deactivated", A, 0), ("Activated", B, 0)],
    "every step": [(name, A, n % 9) for n, name in enumerate(PEOPLE)],
}


@pytest.mark.parametrize("life", LIVES)
def test_lives_reported_in_every_order(database: Database, life: str) -> None:
    told = [of_person(name, 1, village, MOMENTS[moment], n) for n, (name, village, moment) in enumerate(LIVES[life])]
    empty(database)
    deliver(database, [told])
    first = tables(database)
    agrees(database, told)
    for batches in ([[each] for each in told[::-1]], [told[1::2], told[::2]]):
        empty(database)
        deliver(database, batches)
        assert tables(database) == first
