"""A small real world for the tests of the API: Sambas at the end of June 2024, and what surrounds it."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from api.app import create_app
from api.options import ApiOptions
from api.server import make_server
from events import catalogue as contracts
from events import codec, identity, jsonform
from events.catalogue import ACTIVATION, EVENTS, HEARTBEAT, REFERENCE
from projections import activation, position
from projections.catalogue import insert, new_run
from projections.clickhouse import Database
from tests.conftest import empty, free_port

ARRIVED = 1_782_000_000_000  # 2026-06-21
NOW = dt.datetime(2026, 6, 21, 1, 30, 30, tzinfo=dt.UTC)  # 08:30:30 in western Indonesia
ACTIVE = 43_336
VILLAGES = ("61.01.01.2001", "61.01.01.2002", "61.01.02.2003", "61.01.08.2002")
WIB = dt.timezone(dt.timedelta(hours=7))
# No look at the log's place is shared: a test that writes and asks means the place after it.
OPTIONS = ApiOptions(
    clock=lambda: NOW, share_seconds=0, poll_seconds=0.05, clickhouse_setting="CAKUPAN_CLICKHOUSE_HOST"
)


def load(database: Database, given: Sequence[Mapping[str, Any]]) -> None:
    """Events in JSON form, through the contracts into the tables."""
    topics: dict[str, list[bytes]] = {}
    for each in given:
        event = jsonform.from_json(each, ARRIVED)
        topics.setdefault(event.type.topic, []).append(codec.encode(event.type.name, event.values))
    for topic, records in topics.items():
        put(database, topic, records)


def put(database: Database, topic: str, records: Sequence[bytes]) -> None:
    decoded = codec.decode_batch(topic, records, [ARRIVED] * len(records))
    assert decoded.refused == []
    run = new_run()
    insert(database, topic, decoded.frames, run)
    if topic == ACTIVATION:
        activation.recompute(database, run)


def denominator(
    region: str, basis: str, vintage: str, value: int, method: str | None = None, **more: Any
) -> dict[str, Any]:
    example = contracts.examples(EVENTS["DenominatorReleased"], EVENTS["DenominatorReleased"].newest)[0]
    rest = {k: v for k, v in example.items() if k != "event_id"}
    changed = {"region": region, "basis": basis, "vintage": vintage, "value": value, "method": method}
    return {**rest, "origin": f"{basis} of {region}", **changed, **more}


def target(region: str, basis: str, ratio: float, valid_from: str, valid_to: str | None = None) -> dict[str, Any]:
    example = contracts.examples(EVENTS["TargetSet"], EVENTS["TargetSet"].newest)[0]
    rest = {k: v for k, v in example.items() if k != "event_id"}
    named = {"region": region, "basis": basis, "ratio": ratio, "valid_from": valid_from, "valid_to": valid_to}
    return {**rest, **named, "origin": f"target of {region} from {valid_from}"}


def report(source: str, *regions: str, at: dt.datetime | None = None) -> dict[str, Any]:
    """A source's report: that of the example, of 2024, or one at a time up to which it vouches."""
    example = contracts.examples(EVENTS["SourceReported"], EVENTS["SourceReported"].newest)[0]
    times = dict.fromkeys(("occurred_at", "recorded_at", "complete_until"), f"{at:%Y-%m-%dT%H:%M:%SZ}") if at else {}
    changed = {"source": source, "regions": list(regions), **times}
    return {**{k: v for k, v in example.items() if k != "event_id"}, **changed}


def happened(kind: str, person: int, village: str, at: str, **more: Any) -> dict[str, Any]:
    """An activation event of a numbered person, at a time in western Indonesia."""
    example = contracts.examples(EVENTS[kind], EVENTS[kind].newest)[0]
    rest = {k: v for k, v in example.items() if k not in ("event_id", "outreach_id")}
    subject = identity.as_text(person.to_bytes(16, "big"))
    when = dt.datetime.fromisoformat(at).replace(tzinfo=WIB).isoformat()
    named = {"domicile": village, "subject_id": subject, "occurred_at": when, "recorded_at": when}
    return {**rest, **named, **more}


SAMBAS_DENOMINATOR = contracts.examples(EVENTS["DenominatorReleased"], EVENTS["DenominatorReleased"].newest)
SAMBAS_TARGET, NATION_TARGET = contracts.examples(EVENTS["TargetSet"], EVENTS["TargetSet"].newest)

REFERENCES = [
    *SAMBAS_DENOMINATOR,
    denominator("61.01", "population", "2024-06-30", 648_037),
    denominator("61.01", "population", "2024-12-31", 651_246),
    denominator("61.01", "wajib_ktp", "2024-06-30", 477_000, "0.736 of the population"),
    denominator("61.01", "holders", "2025-06-30", 470_000),
    denominator("61", "population", "2024-12-31", 5_646_268),
    denominator("61.07", "population", "2024-12-31", 295_966),
    denominator("61.07", "holders", "2024-06-30", 187_220),
    denominator("61.72", "population", "2024-12-31", 249_954),
    denominator("0", "wajib_ktp", "2023-12-31", 204_000_000),
    denominator("0", "population", "2024-12-31", 284_973_643),
    SAMBAS_TARGET,
    NATION_TARGET,
    target("0", "wajib_ktp", 0.25, "2022-01-01", "2023-12-31"),
    target("61.07", "holders", 0.2, "2024-01-01", "2024-12-31"),
]

REPORTS = [report("synthetic/dukcapil-61.01", "61.01"), report("dukcapil-61.07", "61.07", "61.72.01")]


def activations() -> list[bytes]:
    """43,336 people of Sambas, most of them in 2023, 80 of them on 30 June 2024; in four villages."""
    base = jsonform.from_json(happened("Activated", 0, VILLAGES[0], "2024-06-30T10:00:30"), ARRIVED).values
    june = base["occurred_at"]
    records = []
    for n in range(ACTIVE):
        at = june - (n % 80) * 1000 if n < 80 else june - (30 + n % 480) * 86_400_000
        village = int(VILLAGES[n % len(VILLAGES)].replace(".", ""))
        values = {
            **base,
            "event_id": identity.derived_event_id(at, n),
            "subject_id": (n + 1).to_bytes(16, "big"),
            "occurred_at": at,
            "recorded_at": at,
            "domicile": village,
            "channel": "office" if n % 2 else "jemput_bola",
        }
        records.append(codec.encode("Activated", values))
    return records


LIVES = [
    # Someone who moved within Sambas, someone who left for Singkawang, a phone lost for good, a failed attempt.
    happened("SubjectDeparted", 1, VILLAGES[0], "2024-06-28T09:00:00", counterpart=VILLAGES[1]),
    happened("SubjectArrived", 1, VILLAGES[1], "2024-06-28T09:00:01", counterpart=VILLAGES[0]),
    happened("Activated", 900_001, VILLAGES[0], "2024-05-02T09:00:00"),
    happened("SubjectDeparted", 900_001, VILLAGES[0], "2024-06-29T09:00:00", counterpart="61.72.01.1001"),
    happened("SubjectArrived", 900_001, "61.72.01.1001", "2024-06-29T09:00:01", counterpart=VILLAGES[0]),
    happened("Activated", 900_002, VILLAGES[2], "2024-05-03T09:00:00"),
    happened("Deactivated", 900_002, VILLAGES[2], "2024-06-01T09:00:00"),
    happened("AttemptFailed", 900_003, VILLAGES[3], "2024-06-30T10:00:05"),
    # After the day that is asked for.
    happened("Activated", 900_004, VILLAGES[0], "2024-07-02T09:00:00"),
]


def seed(database: Database) -> None:
    """Empty the database and fill it with all of the above. The worker has just reported."""
    empty(database)
    load(database, [*REFERENCES, *REPORTS])
    put(database, ACTIVATION, activations())
    load(database, LIVES)
    stand(database, ACTIVATION, 100, 100)
    stand(database, REFERENCE, len(REFERENCES), len(REFERENCES))
    stand(database, HEARTBEAT, 2, 2)
    position.write_verified(database, {(ACTIVATION, 0): 90}, NOW)


def stand(
    database: Database,
    topic: str,
    next_offset: int,
    head: int,
    *,
    partition: int = 0,
    record_at: dt.datetime | None = None,
    checked_at: dt.datetime | None = None,
) -> None:
    """What a worker writes about a partition."""
    at = NOW - dt.timedelta(seconds=2)
    position.write(database, [position.Row(topic, partition, next_offset, head, record_at or at, checked_at or at)])


@contextlib.contextmanager
def served(database: Database, options: ApiOptions = OPTIONS, *, access_log: bool = False) -> Iterator[httpx.Client]:
    """A real server on a free port of loopback, and a client of it."""
    port = free_port()
    server = make_server(create_app(database, options), "127.0.0.1", port, access_log=access_log)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def until(true: Any, seconds: float = 15) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not become true in time"
        time.sleep(0.01)
