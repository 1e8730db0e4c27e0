"""ikd.heartbeat.v1: which source speaks for which region, and when it last did."""

from __future__ import annotations

from projections.base import Columns, Frames, Rows, as_columns

COLUMNS = {
    "source": "LowCardinality(String)",
    "region": "UInt64",
    "occurred_at": "DateTime64(3, 'UTC')",
    "event_id": "FixedString(16)",
    "events_sent": "UInt64",
    "complete_until": "DateTime64(3, 'UTC')",
}


def rows(frames: Frames) -> Columns:
    """One row a report and region that it speaks for."""
    if "SourceReported" not in frames:
        return {}
    each_region = frames["SourceReported"].explode("regions").drop_nulls("regions").rename({"regions": "region"})
    return as_columns(each_region, list(COLUMNS))


REPORTS_IN = Rows("source_report", COLUMNS, rows)
