"""Which target holds on a day: the newest that is valid, and of one issued again, the issue recorded last."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from events import codec
from events.catalogue import EVENTS, REFERENCE, examples
from events.jsonform import from_json
from projections import catalogue
from projections.clickhouse import Database
from projections.facts import references

SAMBAS = 6101


def issue(database: Database, recorded: str, valid_from: str, valid_to: str | None, ratio: float) -> None:
    now = time.time_ns() // 1_000_000
    base = examples(EVENTS["TargetSet"], EVENTS["TargetSet"].newest)[0]
    given = {**base, "event_id": None, "recorded_at": f"{recorded}T00:00:00Z", "valid_from": valid_from}
    event = from_json({**given, "valid_to": valid_to, "ratio": ratio}, now)
    frames = codec.decode_batch(REFERENCE, [codec.encode("TargetSet", event.values)], [now]).frames
    catalogue.insert(database, REFERENCE, frames, catalogue.new_run())


def ratio_on(database: Database, day: str) -> float | None:
    target = references(database).on([SAMBAS], dt.date.fromisoformat(day)).targets.get(SAMBAS)
    return None if target is None else target.ratio


@pytest.fixture
def issued(clean: Database) -> Database:
    """Open from 2024 on; issued again in July with an end; a higher one from 2025."""
    issue(clean, "2024-01-01", "2024-01-01", None, 0.3)
    issue(clean, "2024-07-01", "2024-01-01", "2024-09-30", 0.3)
    issue(clean, "2024-12-01", "2025-01-01", None, 0.35)
    return clean


@pytest.mark.parametrize(
    ("day", "ratio"),
    [("2023-12-31", None), ("2024-01-01", 0.3), ("2024-09-30", 0.3), ("2024-10-01", None), ("2025-01-01", 0.35)],
)
def test_a_target_issued_again_with_an_end_ends(issued: Database, day: str, ratio: float | None) -> None:
    assert ratio_on(issued, day) == ratio


def test_before_the_second_issue_was_known_the_first_held(issued: Database) -> None:
    in_june = round(dt.datetime(2024, 6, 30, tzinfo=dt.UTC).timestamp() * 1000)
    target = references(issued).on([SAMBAS], dt.date(2024, 10, 1), in_june).targets[SAMBAS]
    assert (target.ratio, target.valid_to) == (0.3, None)
