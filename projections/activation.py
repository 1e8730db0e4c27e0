"""ikd.activation.v1: the event base, and the steps that recompute the buckets a run touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from projections import erasure, native, sql
from projections.base import NO_ID, Frames, together
from projections.clickhouse import Database
from projections.known import Since

TYPES = (
    "ActivationRegistered",
    "FaceVerified",
    "QrVerified",
    "Activated",
    "AttemptFailed",
    "Deactivated",
    "FirstUsed",
    "SubjectDeparted",
    "SubjectArrived",
    "SubjectErased",
)

# What is one of a few is a byte in the tables: the value's place here. Values are added at the end, with a migration.
CHOICES: dict[str, tuple[str, ...]] = {
    "type": TYPES,
    "age_band": ("unknown", "under_17", "from_17_to_24", "from_25_to_34", "from_35_to_44", "from_45_to_59", "from_60"),
    "sex": ("unknown", "female", "male"),
    "channel": (
        "unknown", "office", "village_office", "jemput_bola", "mobile_service", "school", "campus", "workplace",
        "service_mall", "event_stall", "online",
    ),
    "device_class": ("unknown", "android_old", "android_recent", "ios_old", "ios_recent", "none"),
    "step": ("", "unknown", "install", "registration", "face_match", "qr_scan", "code_entry", "pin"),
    "reason": (
        "", "unknown", "lost_phone", "new_phone", "forgotten_pin", "death", "holder_request", "fraud", "administrative",
        "other", "no_connectivity", "time_out", "data_mismatch", "face_mismatch", "device_already_bound",
        "os_unsupported", "storage_full", "camera_fault", "no_smartphone", "no_email", "not_recorded", "under_age",
        "siak_down", "code_not_received", "code_expired", "refused_privacy", "nik_inactive",
    ),
}  # fmt: skip

COLUMNS = {
    "event_id": "FixedString(16)",
    "type": native.choice(CHOICES["type"]),
    "occurred_at": "DateTime64(3, 'UTC')",
    "recorded_at": "DateTime64(3, 'UTC')",
    "source": "LowCardinality(String)",
    "service_region": "UInt64",
    "domicile": "UInt64",
    "subject_id": "FixedString(16)",
    "age_band": native.choice(CHOICES["age_band"]),
    "sex": native.choice(CHOICES["sex"]),
    "channel": native.choice(CHOICES["channel"]),
    "device_class": native.choice(CHOICES["device_class"]),
    "outreach_id": "FixedString(16)",
    "step": native.choice(CHOICES["step"]),
    "reason": native.choice(CHOICES["reason"]),
    "counterpart": "UInt64",
}

# What a type lacks: an erasure has no age, only a failure has a step, only a move a counterpart.
ABSENT = {
    "age_band": "unknown",
    "sex": "unknown",
    "channel": "unknown",
    "device_class": "unknown",
    "outreach_id": NO_ID,
    "step": "",
    "reason": "",
    "counterpart": 0,
    "known": True,
}


@dataclass(frozen=True)
class Door:
    """The wide way in: straight from the buffers, no Python object a value. One row an event."""

    name: str
    columns: dict[str, str]

    def insert(self, database: Database, frames: Frames, run: int) -> int:
        """See projections.base.Table."""
        whole = together(frames, TYPES, ABSENT)
        if not whole.height:
            return 0
        named = whole.with_columns(pl.lit(run, pl.UInt64).alias("run"))
        return database.insert_block(self.name, native.block(named, {**self.columns, "run": "UInt64"}))


# Whether there may be moves of the person from before: see projections.known.
EVENTS_IN = Door("activation_in", {**COLUMNS, "known": "Bool"})

# What a run touched, until it has recomputed.
TOUCHED = ("touched_person", "touched_place", "touched_day")

# Statements of a recompute, in this order: each reads what the one before has written.
OF_REGIONS = ("recompute_coverage_village", "recompute_coverage_district", "recompute_coverage_above")
OF_PEOPLE = ("recompute_person_day", *OF_REGIONS)
OF_NEW_PEOPLE = ("recompute_person_day_since", *OF_REGIONS)
OF_EVENTS = ("recompute_region_minute", "recompute_service_day")


def recompute(database: Database, run: int, since: Since | None = None) -> None:
    """Recompute every bucket that the run's events touched, and forget what it touched."""
    count(database, run, since)
    forget(database, run)


def count(database: Database, run: int, since: Since | None = None) -> None:
    """Recompute every bucket that the run's events touched, from the base. Repeating it changes nothing.

    `since`: where the moves of those are who were noted as not known; None: anywhere.
    """
    erasure.finish(database, run)
    params = {"run": run, **(asdict(since) if since else {})}
    # Neither reads what the other writes; of a single event both are mostly the price of a statement.
    with ThreadPoolExecutor(1) as beside:
        events = beside.submit(_run_all, database, OF_EVENTS, params)
        _run_all(database, OF_NEW_PEOPLE if since else OF_PEOPLE, params)
        events.result()


def _run_all(database: Database, names: Sequence[str], params: Mapping[str, Any]) -> None:
    for name in names:
        database.run(sql.query(name), params)


def forget(database: Database, *runs: int) -> None:
    """Drop what finished runs touched."""
    drops = ", ".join(f"DROP PARTITION {run:d}" for run in runs)
    for table in TOUCHED:
        database.run(f"ALTER TABLE {table} {drops}")


def forget_older(database: Database, run: int) -> None:
    """Drop what crashed runs older than `run` left behind. Their batches were never acknowledged and come again."""
    for table in (*TOUCHED, "erasing"):
        parts = database.rows(
            "SELECT DISTINCT partition FROM system.parts"
            " WHERE active AND database = currentDatabase() AND table = %(table)s AND toUInt64(partition) < %(run)s",
            {"table": table, "run": run},
        )
        for part in parts:
            database.run(f"ALTER TABLE {table} DROP PARTITION %(run)s", {"run": int(part["partition"])})
