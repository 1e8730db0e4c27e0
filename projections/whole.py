"""Every bucket computed once from the whole base: for tables that a log was taken into without counting anything.

By pieces, so that memory stays bounded: people by their pseudonym, villages by province. Of 10 million events that is a
third of the work of recomputing what each million of them touched, where a person or a day comes again and again.
"""

from __future__ import annotations

from collections.abc import Iterator

from projections import activation, erasure, pseudonyms, sql
from projections.catalogue import UNCOUNTED, new_run
from projections.clickhouse import Database

CHUNK_EVENTS = 2_000_000  # of the people of one statement, roughly
VILLAGES_OF_A_PROVINCE = 100_000_000  # codes


def count(database: Database) -> Iterator[tuple[int, int]]:
    """Compute the buckets of all events; yields how many pieces are done, of how many. Raises DatabaseError.

    Nobody else may write into these tables meanwhile. Repeating it changes nothing.
    """
    erasure.finish(database, UNCOUNTED)
    (size,) = database.rows(sql.query("whole_size"))
    people, provinces = pseudonyms.cut(-(-size["events"] // CHUNK_EVENTS)), size["provinces"]
    total = len(people) + len(provinces) + 2
    for done, piece in enumerate(people, 1):
        database.run(sql.query("whole_person_day"), pseudonyms.between(*piece))
        yield done, total
    for done, province in enumerate(provinces, len(people) + 1):
        _count_province(database, province)
        yield done, total
    database.run(sql.query("whole_coverage_above"))
    yield total - 1, total
    _count_events(database)
    yield total, total


def _count_province(database: Database, province: int) -> None:
    low = province * VILLAGES_OF_A_PROVINCE
    codes = {"low": low, "high": low + VILLAGES_OF_A_PROVINCE - 1}
    for name in ("whole_coverage_village", "whole_coverage_district"):
        database.run(sql.query(name), codes)


def _count_events(database: Database) -> None:
    run = new_run()
    for name in ("whole_touch_places", *activation.OF_EVENTS):
        database.run(sql.query(name), {"run": run})
    activation.forget(database, run)
