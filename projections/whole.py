"""Every bucket computed once from the whole base: for tables that a log was taken into without counting anything.

By pieces, so that memory stays bounded: people by their pseudonym, villages by provinces, of which small ones go
together. Of 10 million events that is a third of the work of recomputing what each million of them touched, where a
person or a day comes again and again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from projections import activation, erasure, pseudonyms, sql
from projections.catalogue import UNCOUNTED, new_run
from projections.clickhouse import Database

CHUNK_EVENTS = 2_000_000  # of the people or the provinces of one statement, roughly
VILLAGES_OF_A_PROVINCE = 100_000_000  # codes


def count(database: Database) -> Iterator[tuple[int, int]]:
    """Compute the buckets of all events; yields how many pieces are done, of how many. Raises DatabaseError.

    Nobody else may write into these tables meanwhile. Repeating it changes nothing.
    """
    erasure.finish(database, UNCOUNTED)
    events = {row["province"]: row["events"] for row in database.rows(sql.query("whole_size"))}
    people, provinces = pseudonyms.cut(-(-sum(events.values()) // CHUNK_EVENTS)), together(events)
    total = len(people) + len(provinces) + 2
    for done, piece in enumerate(people, 1):
        database.run(sql.query("whole_person_day"), pseudonyms.between(*piece))
        yield done, total
    for done, (first, last) in enumerate(provinces, len(people) + 1):
        _count_provinces(database, first, last)
        yield done, total
    database.run(sql.query("whole_coverage_above"))
    yield total - 1, total
    _count_events(database)
    yield total, total


def together(events: Mapping[int, int]) -> list[tuple[int, int]]:
    """The first and the last province of each piece, from the events of each province in the order of their codes: as
    many as have no more events than a piece may, and one at least."""
    pieces: list[tuple[int, int]] = []
    held = 0
    for province, count in events.items():
        if pieces and held + count <= CHUNK_EVENTS:
            pieces[-1], held = (pieces[-1][0], province), held + count
        else:
            pieces, held = [*pieces, (province, province)], count
    return pieces


def _count_provinces(database: Database, first: int, last: int) -> None:
    codes = {"low": first * VILLAGES_OF_A_PROVINCE, "high": (last + 1) * VILLAGES_OF_A_PROVINCE - 1}
    for name in ("whole_coverage_village", "whole_coverage_district"):
        database.run(sql.query(name), codes)


def _count_events(database: Database) -> None:
    run = new_run()
    for name in ("whole_touch_places", *activation.OF_EVENTS):
        database.run(sql.query(name), {"run": run})
    activation.forget(database, run)
