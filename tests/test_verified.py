"""Up to where a partition is proved."""

from __future__ import annotations

import datetime as dt

from events.catalogue import ACTIVATION, OUTREACH
from projections.integrity import DOUBLED, MISSING, NO_PLACE, UNEXPECTED, Audited, Difference, verified

NOW = dt.datetime(2026, 6, 21, tzinfo=dt.UTC)
PLACES = {(ACTIVATION, 0): 100, (ACTIVATION, 1): 50, (OUTREACH, 0): 7}
AUDITED = {place: Audited(position, position, 0, 0, NOW) for place, position in PLACES.items()}


def difference(kind: str, partition: int, offset: int) -> Difference:
    return Difference(ACTIVATION, kind, "activity", b"i" * 16, 6101012001, NOW.date(), partition, offset)


def test_what_was_checked_is_proved() -> None:
    assert verified(AUDITED, [], {}) == PLACES


def test_a_recount_that_came_further_keeps_its_word() -> None:
    assert verified(AUDITED, [], {(ACTIVATION, 1): 80, (OUTREACH, 0): 3}) == {**PLACES, (ACTIVATION, 1): 80}


def test_nothing_is_proved_from_the_first_record_on_that_is_not_as_it_should_be() -> None:
    found = [difference(MISSING, 0, 30), difference(DOUBLED, 0, 20), difference(MISSING, 0, 40)]
    assert verified(AUDITED, found, {(ACTIVATION, 0): 90}) == {**PLACES, (ACTIVATION, 0): 20}


def test_an_event_that_no_record_stands_for_spoils_its_topic_and_no_other() -> None:
    found = [difference(UNEXPECTED, NO_PLACE, NO_PLACE)]
    assert verified(AUDITED, found, PLACES) == {**PLACES, (ACTIVATION, 0): 0, (ACTIVATION, 1): 0}
