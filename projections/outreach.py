"""ikd.outreach.v1: outreach as reported."""

from __future__ import annotations

from projections.base import NO_ID, Columns, Frames, Rows, as_columns, day, together

TYPES = ("OutreachPlanned", "OutreachHeld", "OutreachCancelled", "CampaignPublished")

COLUMNS = {
    "event_id": "FixedString(16)",
    "type": "LowCardinality(String)",
    "occurred_at": "DateTime64(3, 'UTC')",
    "recorded_at": "DateTime64(3, 'UTC')",
    "source": "LowCardinality(String)",
    "service_region": "UInt64",
    "outreach_id": "FixedString(16)",
    "kind": "LowCardinality(String)",
    "place": "String",
    "planned_for": "Nullable(Date32)",
    "team_size": "Int32",
    "hours": "Float64",
    "reached": "Int64",
    "registered": "Int64",
    "activated": "Int64",
    "reason": "LowCardinality(String)",
    "medium": "LowCardinality(String)",
}

ABSENT = {
    "outreach_id": NO_ID,
    "kind": "",
    "place": "",
    "planned_for": None,
    "team_size": 0,
    "hours": 0.0,
    "reached": 0,
    "registered": 0,
    "activated": 0,
    "reason": "",
    "medium": "",
}


def rows(frames: Frames) -> Columns:
    """One row an event. A campaign's `reach` is its `reached`."""
    whole = together(_renamed(frames), TYPES, ABSENT)
    columns = as_columns(whole, list(COLUMNS))
    if columns:
        columns["planned_for"] = [day(each) for each in columns["planned_for"]]
    return columns


def _renamed(frames: Frames) -> Frames:
    if "CampaignPublished" not in frames:
        return frames
    return {**frames, "CampaignPublished": frames["CampaignPublished"].rename({"reach": "reached"})}


EVENTS_IN = Rows("outreach_event", COLUMNS, rows)
