"""The scenarios: an oracle that shares nothing with them counts, and everything that should happen does."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

import pytest

from cakupan.scenario import Planned, encoded, nation, sambas
from events import codec, regions, rules
from events.catalogue import ACTIVATION, EVENTS, HEARTBEAT, OUTREACH

DAY_MS = 86_400_000
WIB_MS = 25_200_000
FIRST_MS = 1_675_184_400_000  # 2023-02-01T00:00 WIB
END_MS = 1_719_766_800_000  # 2024-07-01T00:00 WIB
SAMBAS = 6101


class Fact(NamedTuple):
    """What the oracle knows of an event, in the order of the semantics."""

    occurred_at: int
    event_id: bytes
    name: str
    domicile: int


def active_by_village(stream: Iterable[Planned]) -> Counter[int | None]:
    """Active people by domicile at the end: one dictionary a person, nothing else."""
    people: dict[bytes, dict[bytes, Fact]] = defaultdict(dict)
    for event, _ in stream:
        v = event.values
        if "subject_id" in v:
            people[v["subject_id"]][v["event_id"]] = Fact(
                v["occurred_at"], v["event_id"], event.type.name, v["domicile"]
            )
    return Counter(domicile for domicile in map(active_domicile, people.values()) if domicile != 0)


def active_domicile(facts: dict[bytes, Fact]) -> int | None:
    """Where a person counts; None where they are active and nowhere, 0 where they are not active."""
    active, domicile = False, None
    for fact in sorted(facts.values()):
        if fact.name == "Activated":
            active, domicile = True, fact.domicile
        elif fact.name == "Deactivated":
            active = False
        elif fact.name == "SubjectArrived":
            domicile = fact.domicile
        elif fact.name == "SubjectDeparted" and domicile == fact.domicile:
            domicile = None
    return domicile if active else 0


def regency(village: int | None) -> int:
    return (village or 0) // 1_000_000


def distinct(stream: list[Planned]) -> list[Planned]:
    return list({each.event.values["event_id"]: each for each in stream}.values())


def by_name(stream: list[Planned], name: str) -> list[dict[str, Any]]:
    return [each.event.values for each in distinct(stream) if each.event.type.name == name]


def people_by(stream: list[Planned], name: str) -> set[bytes]:
    return {values["subject_id"] for values in by_name(stream, name)}


def day_of(at_ms: int) -> int:
    return (at_ms + WIB_MS) // DAY_MS


@pytest.fixture(scope="module")
def one() -> list[Planned]:
    return list(sambas(1))


@pytest.fixture(scope="module")
def many() -> list[Planned]:
    """A nation of the same seed."""
    return list(nation(5_000, 1))


@pytest.mark.parametrize("seed", [1, 20_240_630])
def test_exactly_43_336_are_active_in_sambas(seed: int, one: list[Planned]) -> None:
    active = active_by_village(one if seed == 1 else sambas(seed))
    assert sum(count for village, count in active.items() if regency(village) == SAMBAS) == 43_336
    assert active[None] == 0


def test_villages_and_districts_add_up(one: list[Planned]) -> None:
    active = {village: n for village, n in active_by_village(one).items() if village and regency(village) == SAMBAS}
    districts: Counter[int] = Counter()
    for village, count in active.items():
        districts[village // 10_000] += count
    assert len(active) == 195
    assert set(districts) == {each.number for each in regions.children()[SAMBAS]}
    assert districts.total() == 43_336
    assert districts[610101] / 58_067 > 1.5 * districts[610108] / 30_487  # Sambas town is ahead of remote Paloh


def test_the_same_seed_gives_the_same_bytes(one: list[Planned]) -> None:
    assert digest(one) == digest(sambas(1))
    assert digest(one[:2000]) != digest(islice(sambas(2), 2000))


def digest(stream: Iterable[Planned]) -> str:
    out = hashlib.sha256()
    for each in stream:
        topic, key, value = encoded(each)
        out.update(topic.encode() + key + value)
    return out.hexdigest()


def test_all_keep_the_rules_and_the_time(one: list[Planned]) -> None:
    for each in distinct(one):
        values = each.event.values
        rules.check(values, values["recorded_at"])
        assert FIRST_MS <= values["occurred_at"] < END_MS
        assert values["recorded_at"] < END_MS


def test_they_fit_their_schemas_and_columns(one: list[Planned]) -> None:
    """The fast reader takes all of them, and the reference reader gives back what went in."""
    topics: dict[str, list[bytes]] = defaultdict(list)
    for number, each in enumerate(one):
        topic, key, value = encoded(each)
        topics[topic].append(value)
        assert key
        if number % 50 == 0:
            assert codec.decode(value, topic) == each.event
    for topic, raw in topics.items():
        decoded = codec.decode_batch(topic, raw, [END_MS] * len(raw))
        assert (decoded.count, decoded.refused) == (len(raw), [])


def test_keys_keep_a_person_a_visit_and_a_source_together(one: list[Planned]) -> None:
    names = {ACTIVATION: "subject_id", OUTREACH: "outreach_id", HEARTBEAT: "source"}
    for each in one[:5000]:
        values = each.event.values
        name = names[each.event.type.topic]
        expected = values[name if name in values else "event_id"]
        assert encoded(each)[1] == (expected if isinstance(expected, bytes) else expected.encode())


def test_every_type_occurs(one: list[Planned]) -> None:
    names = {name for name, each in EVENTS.items() if each.topic in (ACTIVATION, OUTREACH, HEARTBEAT)}
    assert {each.event.type.name for each in one} == names
    assert 250_000 < len(one) < 330_000


def test_nobody_has_a_name_and_no_text_a_nik(one: list[Planned]) -> None:
    texts = {value for each in one for value in each.event.values.values() if isinstance(value, str)}
    assert not any(rules.looks_like_nik(text) for text in texts)
    assert len(texts) < 150  # choices, sources and kinds of places
    assert all(each.event.values["source"].startswith("synthetic/") for each in one)


def test_offices_report_late_and_twice(one: list[Planned]) -> None:
    seen = Counter(each.event.values["event_id"] for each in one)
    assert 0.005 < (len(one) - len(seen)) / len(one) < 0.05
    first: dict[bytes, Planned] = {}
    for each in one:
        assert first.setdefault(each.event.values["event_id"], each) == each
    late = [e for e in one if e.event.values["recorded_at"] - e.event.values["occurred_at"] > 2 * DAY_MS]
    assert 1_000 < len(late) < 30_000
    newest, behind = 0, 0
    for each in one:
        behind += each.event.values["occurred_at"] < newest - 2 * DAY_MS
        newest = max(newest, each.event.values["occurred_at"])
    assert behind >= len(late) / 2  # delivered late, not only written late


def test_clocks_differ_and_moments_coincide(one: list[Planned]) -> None:
    values = [each.event.values for each in distinct(one)]
    assert any(each["recorded_at"] < each["occurred_at"] for each in values)
    moments = Counter((each["subject_id"], each["occurred_at"]) for each in values if "subject_id" in each)
    assert sum(count > 1 for count in moments.values()) > 50


def test_phones_are_lost_and_people_come_back(one: list[Planned]) -> None:
    activations = Counter(values["subject_id"] for values in by_name(one, "Activated"))
    assert sum(count > 1 for count in activations.values()) > 1_000
    reasons = Counter(values["reason"] for values in by_name(one, "Deactivated"))
    assert {"lost_phone", "new_phone", "forgotten_pin", "death", "holder_request"} <= set(reasons)


def test_people_move_in_all_ways(one: list[Planned]) -> None:
    left = {values["subject_id"]: values for values in by_name(one, "SubjectDeparted")}
    came = {values["subject_id"]: values for values in by_name(one, "SubjectArrived")}
    ways = Counter((regency(left[who]["domicile"]) == SAMBAS, regency(came[who]["domicile"]) == SAMBAS) for who in left)
    assert left.keys() == came.keys()
    assert ways[True, True] > 500
    assert ways[True, False] > 300
    assert ways[False, True] > 300
    assert all(values["counterpart"] == came[who]["domicile"] != values["domicile"] for who, values in left.items())
    early = [who for who in left if came[who]["occurred_at"] < left[who]["occurred_at"]]
    assert len(early) > 200


def test_service_and_domicile_differ_both_ways(one: list[Planned]) -> None:
    pairs = Counter(
        (int(str(v["service_region"])[:4]) == SAMBAS, regency(v["domicile"]) == SAMBAS)
        for v in by_name(one, "Activated")
    )
    assert pairs[True, False] > 1_000  # outsiders served here
    assert pairs[False, True] > 1_000  # people of Sambas served elsewhere


def test_some_register_and_stay_inactive(one: list[Planned]) -> None:
    waiting = people_by(one, "ActivationRegistered") - people_by(one, "Activated")
    assert len(waiting) > 4_000
    turned_away = people_by(one, "AttemptFailed") - people_by(one, "ActivationRegistered")
    assert len(turned_away) > 2_000
    assert len({values["reason"] for values in by_name(one, "AttemptFailed")}) >= 15


def test_the_remote_fail_by_the_network_more_often(one: list[Planned]) -> None:
    def share(district: int) -> float:
        reasons = Counter(v["reason"] for v in by_name(one, "AttemptFailed") if v["domicile"] // 10_000 == district)
        return (reasons["no_connectivity"] + reasons["time_out"]) / reasons.total()

    assert share(610108) > 1.5 * share(610101)


def test_the_erased_still_count_and_never_return(one: list[Planned]) -> None:
    erased = {values["subject_id"]: values["occurred_at"] for values in by_name(one, "SubjectErased")}
    assert len(erased) > 20
    for each in distinct(one):
        who = each.event.values.get("subject_id")
        assert who not in erased or each.event.values["occurred_at"] <= erased[who]


def test_first_apps_did_not_report_the_device(one: list[Planned]) -> None:
    versions = [(e.version.number, e.event) for e in one if e.event.type.name == "Activated"]
    old = [event for number, event in versions if number == 1]
    assert len(old) > 1_000
    assert {event.values["device_class"] for event in old} == {"unknown"}
    assert max(event.values["occurred_at"] for event in old) < 1_688_144_400_000  # 2023-07-01 WIB
    assert len({event.values["source"] for event in old}) < len({event.values["source"] for _, event in versions})


def test_visits_yield_what_visits_yield(one: list[Planned]) -> None:
    held = by_name(one, "OutreachHeld")
    assert 40 < sum(values["activated"] for values in held) / len(held) < 52
    assert all(v["activated"] <= v["registered"] <= v["reached"] for v in held)
    planned = {values["event_id"] for values in by_name(one, "OutreachPlanned")}
    held_ids = {values["outreach_id"] for values in held}
    cancelled = {values["outreach_id"] for values in by_name(one, "OutreachCancelled")}
    assert not held_ids & cancelled
    assert planned <= held_ids | cancelled
    assert len(held_ids - planned) < 40  # planned before the first day
    linked = {v["outreach_id"] for v in by_name(one, "Activated")} - {None}
    assert linked <= held_ids


def test_days_peak_as_days_do(one: list[Planned]) -> None:
    days = Counter(
        day_of(values["occurred_at"]) for values in by_name(one, "Activated") if regency(values["domicile"]) == SAMBAS
    )
    top = sorted(days.values())[-10:]
    assert top[0] > 130
    assert top[-1] < 300


def test_heartbeats_count_what_was_sent(one: list[Planned]) -> None:
    sent: Counter[str] = Counter()
    seen: set[bytes] = set()
    for event, _ in one:
        values = event.values
        if event.type.name == "SourceReported":
            assert values["events_sent"] == sent[values["source"]]
        if values["event_id"] not in seen:
            seen.add(values["event_id"])
            sent[values["source"]] += 1
    assert len({values["source"] for values in by_name(one, "SourceReported")}) == len(sent) == 10


def test_heartbeats_promise_only_what_they_keep(one: list[Planned]) -> None:
    """Nothing that happened before `complete_until` is first sent after the heartbeat."""
    promised: dict[str, int] = defaultdict(int)
    seen: set[bytes] = set()
    for event, _ in one:
        values = event.values
        if values["event_id"] in seen:
            continue
        seen.add(values["event_id"])
        if event.type.name == "SourceReported":
            promised[values["source"]] = max(promised[values["source"]], values["complete_until"])
        else:
            assert values["occurred_at"] >= promised[values["source"]]


def test_a_nation_of_5000(many: list[Planned]) -> None:
    active = active_by_village(many)
    assert active.total() == 5_000
    assert active[None] == 0
    assert {(village or 0) // 100_000_000 for village in active} == {each.number for each in regions.children()[0]}
    for each in many:
        rules.check(each.event.values, each.event.values["recorded_at"])


def test_a_nation_of_a_few() -> None:
    stream = list(nation(17, 1))
    assert active_by_village(stream).total() == 17
    assert digest(stream[:9000]) == digest(islice(nation(17, 1), 9000))


def test_a_nation_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="people"):
        nation(0, 1)


def test_memory_does_not_grow_with_people() -> None:
    """What is kept of each person, an event of theirs say, takes more than 300 bytes."""
    program = (
        "import collections, resource\n"
        "from itertools import islice\n"
        "from cakupan.scenario import nation\n"
        "for events in islice(nation(1_000, 1), 5_000), nation(80_000, 1):\n"
        "    collections.deque(events, maxlen=0)\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    small, large = (int(each) / 1024 for each in done.stdout.split())
    assert large < small + 24, (small, large)


def test_two_scenarios_of_one_seed_share_no_event(one: list[Planned], many: list[Planned]) -> None:
    ours, others = ({each.event.values["event_id"] for each in planned} for planned in (one, many))
    assert not ours & others
