"""Does every table hold what the log says, no more and no less? By partition, and by region and day.

The log's side comes from `logged`, which is written from the log by other code than the worker's path. The tables' side
is asked of the tables that answers are computed from.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from events import catalogue as events
from events.outline import MULTIPLIER
from projections import sql, stages
from projections.base import EPOCH
from projections.clickhouse import Database

Place = tuple[str, int]  # topic, partition

# Where the events of a topic are held. `queries/held_<name>.sql` says of which region and day each is, as
# `events.outline` says it of the log.
HELD: dict[str, tuple[str, ...]] = {
    events.ACTIVATION: ("activation_event", "activity"),
    events.OUTREACH: ("outreach_event",),
    events.REFERENCE: ("reference",),
    events.HEARTBEAT: ("source_report",),
    events.ALERT: ("alert_event",),
}

TOPICS = tuple(HELD)

# `events.outline.digest` in SQL.
_DIGEST = (
    "sum(reinterpretAsUInt64(substring(event_id, 9, 8))"
    f" + reinterpretAsUInt64(substring(event_id, 1, 8)) * toUInt64({MULTIPLIER}))"
)

# The tables that hold the rows themselves.
COPIES: dict[str, tuple[str, ...]] = {
    events.ACTIVATION: ("activation_event", "activity", "activated_event", "failure"),
    events.OUTREACH: ("outreach_event",),
    events.REFERENCE: ("denominator", "target", "figure"),
    events.HEARTBEAT: ("source_report",),
    events.ALERT: ("alert_event",),
}

# What was computed from events that a run touched, in the order in which it goes.
COMPUTED: dict[str, dict[str, str]] = {
    events.ACTIVATION: {
        "person_day": "version > 0 AND subject_id IN (SELECT subject_id FROM touched_person WHERE run = %(run)s)",
        "coverage_day": "(toStartOfMonth(day), region, day) IN"
        " (SELECT toStartOfMonth(day), intDiv(village, cut), day FROM touched_day"
        " ARRAY JOIN [1, 10000, 1000000, 100000000, 10000000000] AS cut WHERE run = %(run)s)",
        "region_minute": "(minute, region) IN (SELECT minute, intDiv(domicile, cut) FROM touched_place"
        " ARRAY JOIN [1, 10000, 1000000, 100000000, 10000000000] AS cut WHERE run = %(run)s)",
        "service_day": "(region, day) IN (SELECT service_region, day FROM touched_place WHERE run = %(run)s)",
    },
}

# Which regions and days a statement is about.
IN_PAIRS = "WHERE (region, day) IN %(pairs)s"
IN_SLICE = "WHERE (region, day) IN (SELECT region, day FROM slice)"

# Tables that are kept by person: to find the events of a region and day, all of it is read.
BY_PERSON = frozenset({"activation_event"})
# Who was erased is asked for by the hash that stands there instead.
IN_SLICE_BY_PERSON = """
WHERE (region, day, subject_id) IN
(
    SELECT region, day, if(hash IN (SELECT subject_hash FROM erased), hash, subject_id)
    FROM
    (
        SELECT region, day, subject_id,
            sipHash128Keyed((SELECT (any(k0), any(k1)) FROM erasure_key), subject_id) AS hash
        FROM slice
    )
)
AND toInt64(splitByChar('_', _part)[3]) > %(seen)s
"""
EVERYWHERE = -1  # behind no block

MISSING, UNEXPECTED, DOUBLED = "missing", "unexpected", "doubled"
NO_PLACE = -1
MOST_LISTED = 10_000


class Slice(NamedTuple):
    """Rows of `log_slice`: records of one topic as the log has them. Columns of equal length.

    `subjects`: whose each event is, as its record's key says; zeros where the key is no person's.
    """

    topic: str
    partitions: Sequence[int]
    offsets: Sequence[int]
    event_ids: Sequence[bytes]
    subjects: Sequence[bytes]
    regions: Sequence[int]
    days: Sequence[int]


class Sum(NamedTuple):
    """How many events, and the digest of their ids."""

    events: int
    digest: int


@dataclass(frozen=True)
class Audited:
    """How far a partition was checked: its events before `position`, those refused, and the digest of the others."""

    position: int
    events: int
    refused: int
    digest: int
    checked_at: dt.datetime


@dataclass(frozen=True)
class Difference:
    """An event that log and table don't agree on. `partition` and `offset` are NO_PLACE where the log lacks it."""

    topic: str
    kind: str
    held_by: str
    event_id: bytes
    region: int
    day: dt.date
    partition: int
    offset: int


class Pair(NamedTuple):
    """A region (a village in activation events) and a day."""

    region: int
    day: dt.date


def note_slice(database: Database, run: int, part: Slice) -> None:
    """Write what the log holds. Repeating it changes nothing."""
    count = len(part.offsets)
    database.insert(
        "log_slice",
        {
            "run": [run] * count,
            "topic": [part.topic] * count,
            "region": part.regions,
            "day": [EPOCH + dt.timedelta(days=day) for day in part.days],
            "event_id": part.event_ids,
            "subject_id": part.subjects,
            "partition": part.partitions,
            "offset": part.offsets,
        },
    )


def forget_slice(database: Database, run: int) -> None:
    """Drop the slice of a finished check."""
    database.run("ALTER TABLE log_slice DROP PARTITION %(run)s", {"run": run})


def forget_slices(database: Database) -> None:
    """Drop what an auditor that crashed left behind; its slices are read again."""
    database.run("TRUNCATE TABLE log_slice")


def refused(database: Database, run: int, topic: str) -> set[tuple[int, int]]:
    """(partition, offset) of records of the slice that are dead letters."""
    rows = database.rows(sql.query("integrity_refused"), {"run": run, "topic": topic})
    return {(row["partition"], row["offset"]) for row in rows}


def held(database: Database, run: int, topic: str, table: str, seen: int = EVERYWHERE) -> dict[int, Sum]:
    """By partition: the slice's records, dead letters left out, whose event the table holds in its region and day.

    A table by person is asked for the slice's people, in parts with blocks behind `seen`: behind it all must have been
    written that the slice names. Of one who is just being erased it may miss here what `lost` does not.
    """
    statement = _statement("integrity_window", table, IN_SLICE_BY_PERSON if table in BY_PERSON else IN_SLICE)
    params = {"run": run, "topic": topic, "seen": seen}
    return {row["partition"]: Sum(row["events"], row["digest"]) for row in database.rows(statement, params)}


def lost(database: Database, run: int, topic: str, table: str) -> list[Difference]:
    """Records of the slice, dead letters left out, that the table does not hold. At most MOST_LISTED."""
    params = {"run": run, "topic": topic, "most": MOST_LISTED}
    rows = database.rows(_statement("integrity_lost", table, IN_SLICE), params)
    return [Difference(topic, MISSING, table, **row) for row in rows]


def rows_on_disk(database: Database, table: str) -> int:
    """How many rows a table has on disk, those that a merge will take away too; 0 for what is no table but a query."""
    found = database.rows(
        "SELECT total_rows AS rows FROM system.tables WHERE database = currentDatabase() AND name = %(table)s",
        {"table": table},
    )
    return sum(row["rows"] for row in found)


def pairs_of(database: Database, run: int, topic: str, most: int) -> list[Pair]:
    """Regions and days that the slice names; at most `most`."""
    rows = database.rows(
        "SELECT DISTINCT region, day FROM log_slice WHERE run = %(run)s AND topic = %(topic)s LIMIT %(most)s",
        {"run": run, "topic": topic, "most": most},
    )
    return [Pair(row["region"], row["day"]) for row in rows]


def differing(database: Database, topic: str, table: str, pairs: Sequence[Pair], most: int) -> list[Pair]:
    """Of these regions and days, those where log and table have other events."""
    return _differing(database, topic, table, IN_PAIRS, {"pairs": tuple(pairs)}, most)


def differing_in(database: Database, topic: str, table: str, part: int, parts: int, most: int) -> list[Pair]:
    """The same over one of `parts` parts of all regions."""
    where = "WHERE modulo(region, %(parts)s) = %(part)s"
    return _differing(database, topic, table, where, {"part": part, "parts": parts}, most)


def _differing(database: Database, topic: str, table: str, where: str, params: dict[str, Any], most: int) -> list[Pair]:
    statement = _statement("integrity_pairs", table, where)
    rows = database.rows(statement, {"topic": topic, "most": most, **params})
    return [Pair(row["region"], row["day"]) for row in rows]


def examine(database: Database, topic: str, table: str, pairs: Sequence[Pair]) -> list[Difference]:
    """Event by event: what is missing, unexpected or doubled there. At most MOST_LISTED of each."""
    if not pairs:
        return []
    params = {"topic": topic, "pairs": tuple(pairs), "most": MOST_LISTED}
    return [
        Difference(topic, held_by=table, **row)
        for name in ("integrity_missing", "integrity_unexpected", "integrity_doubled")
        for row in database.rows(_statement(name, table, IN_PAIRS), params)
    ]


def still(database: Database, asked: Iterable[Difference]) -> set[Difference]:
    """All differences there are now in the regions and on the days of those asked for.

    Where there are more than can be listed, those asked for are taken to be among them.
    """
    by_table: dict[tuple[str, str], set[Difference]] = defaultdict(set)
    for each in asked:
        by_table[each.topic, each.held_by].add(each)
    found: set[Difference] = set()
    for (topic, table), of_table in by_table.items():
        now = examine(database, topic, table, sorted({Pair(each.region, each.day) for each in of_table}))
        listed = Counter(each.kind for each in now)
        found |= {*now, *(each for each in of_table if listed[each.kind] >= MOST_LISTED)}
    return found


def records_of(database: Database, topic: str, pairs: Sequence[Pair]) -> dict[Place, list[int]]:
    """Offsets of the log's records of these regions and days, dead letters left out, by topic and partition."""
    out: dict[Place, list[int]] = defaultdict(list)
    statement = sql.query("integrity_records").format(where=IN_PAIRS)
    for row in database.rows(statement, {"topic": topic, "pairs": tuple(pairs)}):
        out[topic, row["partition"]].append(row["offset"])
    return out


def remove(database: Database, topic: str, run: int, event_ids: Sequence[bytes]) -> None:
    """Take events out of every table of a topic, and the buckets computed from them. Repeating it changes nothing.

    A smaller set has a lower version and would lose: so the buckets go, and `run` notes them for its recompute.
    """
    params = {"run": run, "hex": tuple(each.hex() for each in event_ids)}
    if topic in COMPUTED:
        for name in ("repair_touch_people", "repair_touch_places", "repair_touch_days"):
            database.run(sql.query(name), params)
        for table, where in COMPUTED[topic].items():
            database.run(_delete(table, where), params)
    for table in COPIES[topic]:
        database.run(_delete(table, "lower(hex(event_id)) IN %(hex)s"), params)
    if topic in COMPUTED:
        stages.again(database)
    if topic == events.HEARTBEAT:
        # Least and greatest of fewer reports would lose against those that were there: all are taken anew.
        database.run("TRUNCATE TABLE source_stand")
        database.run(sql.query("repair_source_stand"))


def tidy(database: Database, topic: str) -> None:
    """Drop the rows that only told a recompute of a repair what to sum again."""
    if topic in COMPUTED:
        database.run(_delete("person_day", "version = 0"))


def _delete(table: str, where: str) -> str:
    return f"ALTER TABLE {table} DELETE WHERE {where} SETTINGS mutations_sync = 2"


def audited(database: Database) -> dict[Place, Audited]:
    """How far each partition was checked."""
    return {
        (row["topic"], row["partition"]): Audited(
            row["position"], row["events"], row["refused"], row["digest"], row["checked_at"]
        )
        for row in database.rows("SELECT * FROM audited FINAL ORDER BY topic, partition")
    }


def write_audited(database: Database, places: dict[Place, Audited]) -> None:
    """Note how far partitions were checked."""
    if not places:
        return
    database.insert(
        "audited",
        {
            "topic": [topic for topic, _ in places],
            "partition": [partition for _, partition in places],
            "position": [each.position for each in places.values()],
            "events": [each.events for each in places.values()],
            "refused": [each.refused for each in places.values()],
            "digest": [each.digest for each in places.values()],
            "checked_at": [each.checked_at for each in places.values()],
        },
    )


def open_differences(database: Database) -> dict[Difference, dt.datetime]:
    """Differences that were still there when last looked at, and when each was found."""
    rows = database.rows(sql.query("integrity_open"))
    return {
        Difference(**{name: row[name] for name in Difference.__dataclass_fields__}): row["found_at"] for row in rows
    }


def counts(database: Database) -> dict[tuple[str, str], int]:
    """Open differences by topic and kind; every topic and kind has its number, 0 too."""
    none = dict.fromkeys(((topic, kind) for topic in TOPICS for kind in (MISSING, UNEXPECTED, DOUBLED)), 0)
    rows = database.rows(sql.query("integrity_counts"))
    return none | {(row["topic"], row["kind"]): row["events"] for row in rows}


def difference_groups(database: Database) -> list[dict[str, Any]]:
    """Open differences, those of one topic, partition, kind, table, region and day together."""
    return database.rows(sql.query("integrity_groups"))


def sums(
    database: Database, low: int, high: int, first: dt.date, last: dt.date
) -> tuple[dict[dt.date, Sum], dict[str, dict[dt.date, Sum]]]:
    """Activation events of villages from `low` to `high` by day: those of the log, and those that each table holds."""
    where = "WHERE region BETWEEN %(low)s AND %(high)s AND day BETWEEN %(first)s AND %(last)s"
    params = {"topic": events.ACTIVATION, "low": low, "high": high, "first": first, "last": last}

    def ask(name: str, table: str) -> dict[dt.date, Sum]:
        rows = database.rows(_statement(name, table, where), params)
        return {row["day"]: Sum(row["events"], row["digest"]) for row in rows}

    tables = HELD[events.ACTIVATION]
    return ask("integrity_log_days", tables[0]), {table: ask("integrity_table_days", table) for table in tables}


def write_differences(database: Database, found_at: Mapping[Difference, dt.datetime], *, still_open: bool) -> None:
    """Note differences as they stand now; `found_at` says when each was found."""
    if not found_at:
        return
    columns: dict[str, Sequence[Any]] = {
        name: [getattr(one, name) for one in found_at] for name in Difference.__dataclass_fields__
    }
    columns["found_at"] = list(found_at.values())
    columns["open"] = [still_open] * len(found_at)
    columns["seen_at"] = [dt.datetime.now(dt.UTC)] * len(found_at)
    database.insert("integrity_difference", columns)


def verified(
    places: Mapping[Place, Audited], differences: Iterable[Difference], before: Mapping[Place, int]
) -> dict[Place, int]:
    """Up to where each partition is proved: not beyond a record that is missing or doubled, and nothing of a topic with
    an event that no record stands for.

    `before`: up to where it was proved already. A recount may have come further than the auditor, and where nothing
    differs its word stands.
    """
    spoilt = {each.topic for each in differences if each.partition == NO_PLACE}
    first: dict[Place, int] = {}
    for each in differences:
        place = each.topic, each.partition
        first[place] = min(first.get(place, each.offset), each.offset)
    return {
        place: 0
        if place[0] in spoilt
        else min(stand.position, first[place])
        if place in first
        else max(stand.position, before.get(place, 0))
        for place, stand in places.items()
    }


def _statement(name: str, table: str, where: str) -> str:
    rows = sql.query(f"held_{table}").format(where=where)
    text = sql.query(name).format(held=rows, where=where, digest=_DIGEST)
    return f"{text}SETTINGS max_threads = 1"  # the worker and those who ask come first
