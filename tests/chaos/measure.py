"""What was lost and what was doubled: the tables against the oracle, and against the product's own recount."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from confluent_kafka import Consumer, TopicPartition

from cakupan import recount, verify, wiring
from cakupan.embedded.process import spawn
from cakupan.settings import Settings
from events.catalogue import DEAD_LETTER
from projections import sql
from projections.clickhouse import Database
from tests.chaos import oracle
from tests.chaos.load import Acknowledged
from tests.chaos.workers import ROOT
from tests.support import environment

TABLES = ("activation_event", "outreach_event", "source_report", "denominator", "target")


@dataclass
class Verdict:
    """Counts of events and of numbers, and everything else that does not agree, in words."""

    events: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)

    def add(self, other: Verdict) -> None:
        self.events += other.events
        self.lost += other.lost
        self.doubled += other.doubled
        self.wrong += other.wrong


def measure(settings: Settings, acknowledged: Acknowledged) -> Verdict:
    """Compare at rest: nothing is sent, and the worker has come to the end of the log."""
    verdict = count(settings, acknowledged)
    _compare_recount(verdict, settings, acknowledged)
    return verdict


def count(settings: Settings, acknowledged: Acknowledged) -> Verdict:
    """The oracle's part of it alone."""
    database = wiring.database(settings)
    verdict = Verdict(events=len(acknowledged.facts))
    for table in TABLES:
        _compare_rows(verdict, table, database, acknowledged)
    _compare_coverage(verdict, database, acknowledged)
    _compare_counts(verdict, "service_day", oracle.offices(acknowledged.facts.values()), database, "verify_service")
    _compare_counts(verdict, "region_minute", oracle.homes(acknowledged.facts.values()), database, "verify_rates")
    return verdict


def _compare_rows(verdict: Verdict, table: str, database: Database, acknowledged: Acknowledged) -> None:
    """Every acknowledged event is there, and none twice, under its own id or another."""
    rows = database.stream(f"SELECT lower(hex(event_id)), count() FROM {table} FINAL GROUP BY event_id")
    found: dict[str, int] = dict(rows)
    wanted = {each.event_id.hex(): each.rows for each in acknowledged.facts.values() if each.table == table}
    verdict.lost += sum(found.get(event_id, 0) < rows for event_id, rows in wanted.items())
    verdict.doubled += sum(max(rows - wanted.get(event_id, 0), 0) for event_id, rows in found.items())


def _compare_coverage(verdict: Verdict, database: Database, acknowledged: Acknowledged) -> None:
    """Every region and day, number for number; one that is higher than the oracle's was counted twice."""
    expected = oracle.coverage(acknowledged.facts.values())
    found = {(row["region"], row["day"]): row for row in database.rows("SELECT * FROM coverage_day FINAL")}
    nothing = dict.fromkeys(oracle.FIELDS, 0)
    for key in sorted(expected.keys() | found.keys()):
        want, got = expected.get(key, nothing), found.get(key, nothing)
        verdict.doubled += any(got[name] > want[name] for name in oracle.FIELDS)
        if different := [f"{n} {want[n]}, found {got[n]}" for n in oracle.FIELDS if got[n] != want[n]]:
            verdict.wrong.append(f"coverage_day {key[0]} {key[1]}: the oracle says {'; '.join(different)}")


def _compare_counts(
    verdict: Verdict, table: str, expected: Counter[oracle.RegionDay], database: Database, query: str
) -> None:
    found = {(row["region"], row["day"]): row["events"] for row in database.rows(sql.query(query))}
    for key in sorted(expected.keys() | found.keys()):
        want, got = expected[key], found.get(key, 0)
        verdict.doubled += got > want
        if got != want:
            verdict.wrong.append(f"{table} {key[0]} {key[1]}: the oracle says {want} events, found {got}")


def _compare_recount(verdict: Verdict, settings: Settings, acknowledged: Acknowledged) -> None:
    """What `cakupan verify` finds, with the API asked too; and every poisoned record is a dead letter."""
    log = recount.read_log(settings.kafka_bootstrap)
    if missing := acknowledged.facts.keys() - log.events.keys():
        verdict.wrong.append(f"the log lacks {len(missing)} acknowledged events")
    if unanswered := acknowledged.poison - log.refused:
        verdict.wrong.append(f"{len(unanswered)} poisoned records are in no dead letter, such as {min(unanswered)}")
    if healthy := log.refused - acknowledged.poison:
        verdict.wrong.append(f"{len(healthy)} good records are dead letters, such as {min(healthy)}")
    try:
        with _api(settings) as api:
            differences = verify.compare(log, wiring.database(settings), api).differences
    except RuntimeError as error:  # the API is away, or did not start
        verdict.wrong.append(f"no recount: {error}")
    else:
        verdict.wrong += [f"recount: {each}" for each in differences]


@contextlib.contextmanager
def _api(settings: Settings) -> Iterator[httpx.Client]:
    env = {**os.environ, **environment(settings), "PYTHONPATH": str(ROOT)}
    child = spawn("API", [sys.executable, "-m", "cakupan", "serve"], settings.data_dir / "api.log", env)
    try:
        with wiring.api_client(settings) as client:
            _wait_for(client)
            yield client
    finally:
        child.stop(15)


def _wait_for(client: httpx.Client, timeout: float = 90) -> None:
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if client.get("/health/live").is_success:
                return
        if time.monotonic() > deadline:
            raise RuntimeError("the API did not start; see api.log")
        time.sleep(0.1)


def behind(settings: Settings) -> Mapping[Any, int]:
    """How many records each partition of the answers lacks of the present end of the log; empty: none."""
    ends = log_ends(settings.kafka_bootstrap)
    rows = wiring.database(settings).rows(sql.query("positions"))
    there = {(row["topic"], row["partition"]): row["position"] for row in rows}
    return {place: end - there.get(place, 0) for place, end in ends.items() if there.get(place, 0) < end}


def log_ends(bootstrap: str) -> dict[recount.Place, int]:
    """Where each partition that is projected ends."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "ends", "log_level": 0})
    try:
        known = consumer.list_topics(timeout=30).topics
        places = [(t, p) for t in recount.READ_TOPICS if t != DEAD_LETTER for p in known[t].partitions]
        return {(t, p): consumer.get_watermark_offsets(TopicPartition(t, p), timeout=30)[1] for t, p in places}
    finally:
        consumer.close()
