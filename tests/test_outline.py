"""What every event begins with, read by other code than the codec's: the two must agree."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cakupan.scenario import encoded, nation
from events import codec, jsonform, outline
from events.catalogue import (
    ACTIVATION,
    ALERT,
    COVERAGE,
    EVENTS,
    HEARTBEAT,
    OUTREACH,
    REFERENCE,
    EventType,
    Version,
    examples,
)
from events.codec import Values

NOW = 1_719_700_000_000
DAY_MS = 86_400_000
WIB_MS = 7 * 3_600_000
TOPICS = (ACTIVATION, OUTREACH, REFERENCE, HEARTBEAT, COVERAGE, ALERT)
VERSIONS = [(event, version) for event in EVENTS.values() if event.topic in TOPICS for version in event.versions]


def expected(event: EventType, values: Values) -> tuple[bytes, int, int]:
    """Id, region, day: by fastavro's values."""
    named = {
        ACTIVATION: "domicile",
        OUTREACH: "service_region",
        **dict.fromkeys((REFERENCE, COVERAGE, ALERT), "region"),
    }
    region = named.get(event.topic)
    at = values["recorded_at"] if event.topic == REFERENCE else values["occurred_at"]
    return values["event_id"], values[region] if region else 0, (at + WIB_MS) // DAY_MS


@pytest.mark.parametrize(("event", "version"), VERSIONS, ids=lambda each: getattr(each, "name", None))
def test_every_example_reads_as_by_fastavro(event: EventType, version: Version) -> None:
    for given_ in examples(event, version):
        raw = codec.encode(event.name, jsonform.values_of_version(event, version, given_, NOW), version)
        seen = outline.read(event.topic, [raw])
        assert seen.readable.all()
        got = seen.event_ids[0], int(seen.regions[0]), int(seen.days[0])
        assert got == expected(event, codec.decode(raw, event.topic).values)


def test_a_whole_batch_reads_as_by_fastavro() -> None:
    stream = (encoded(each) for each in nation(400, 3))
    records = [value for topic, _, value in itertools.islice(stream, 4000) if topic == ACTIVATION]
    seen = outline.read(ACTIVATION, records)
    decoded = [codec.decode(raw, ACTIVATION) for raw in records]
    want = [expected(each.type, each.values) for each in decoded]
    assert list(zip(seen.event_ids, seen.regions.tolist(), seen.days.tolist(), strict=True)) == want


@given(st.lists(st.binary(max_size=60) | st.none(), max_size=8), st.sampled_from(TOPICS))
def test_any_bytes_are_read_or_not_and_never_disturb_their_neighbours(bad: list[bytes | None], topic: str) -> None:
    event, version = next(each for each in VERSIONS if each[0].topic == topic)
    good = codec.encode(
        event.name, jsonform.values_of_version(event, version, examples(event, version)[0], NOW), version
    )
    alone, among = outline.read(topic, [good]), outline.read(topic, [*bad, good, *bad])
    at = len(bad)
    assert among.readable[at]
    assert (among.event_ids[at], among.regions[at], among.days[at]) == (
        alone.event_ids[0],
        alone.regions[0],
        alone.days[0],
    )
    for index in range(at):
        assert among.readable[index] or among.event_ids[index] == outline.NOWHERE


@given(st.lists(st.binary(min_size=16, max_size=16), unique=True, min_size=1, max_size=20), st.randoms())
def test_a_digest_knows_no_order_and_misses_no_change(ids: list[bytes], random: object) -> None:
    shuffled = list(ids)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert outline.digest(shuffled) == outline.digest(ids)
    by_hand = sum(
        int.from_bytes(each[8:], "little") + int.from_bytes(each[:8], "little") * outline.MULTIPLIER for each in ids
    )
    assert outline.digest(ids) == by_hand % 2**64


def test_the_digest_of_nothing_is_zero() -> None:
    assert outline.digest([]) == 0
