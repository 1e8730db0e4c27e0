"""ikd.reference.v1: denominators, targets and published figures, each by the time it holds for."""

from __future__ import annotations

from projections.base import Columns, Frames, Rows, as_columns, day

DENOMINATOR = {
    "event_id": "FixedString(16)",
    "recorded_at": "DateTime64(3, 'UTC')",
    "source": "LowCardinality(String)",
    "region": "UInt64",
    "basis": "LowCardinality(String)",
    "vintage": "Date32",
    "value": "UInt64",
    "origin": "String",
    "method": "String",
}
TARGET = {
    "event_id": "FixedString(16)",
    "recorded_at": "DateTime64(3, 'UTC')",
    "source": "LowCardinality(String)",
    "region": "UInt64",
    "basis": "LowCardinality(String)",
    "ratio": "Float64",
    "valid_from": "Date32",
    "valid_to": "Nullable(Date32)",
    "origin": "String",
}
FIGURE = {
    "event_id": "FixedString(16)",
    "recorded_at": "DateTime64(3, 'UTC')",
    "source": "LowCardinality(String)",
    "region": "UInt64",
    "reported_on": "Date32",
    "printed": "String",
    "claim": "LowCardinality(String)",
    "basis": "LowCardinality(String)",
    "origin": "String",
}


def denominators(frames: Frames) -> Columns:
    """One row a release; an empty `method` is a published count, any other an estimate."""
    columns = _of(frames, "DenominatorReleased", list(DENOMINATOR))
    if columns:
        columns["vintage"] = [day(each) for each in columns["vintage"]]
        columns["method"] = [each or "" for each in columns["method"]]
    return columns


def targets(frames: Frames) -> Columns:
    columns = _of(frames, "TargetSet", list(TARGET))
    for name in ("valid_from", "valid_to"):
        if columns:
            columns[name] = [day(each) for each in columns[name]]
    return columns


def figures(frames: Frames) -> Columns:
    columns = _of(frames, "FigureReported", list(FIGURE))
    if columns:
        columns["reported_on"] = [day(each) for each in columns["reported_on"]]
    return columns


def _of(frames: Frames, name: str, columns: list[str]) -> Columns:
    return as_columns(frames[name], columns) if name in frames else {}


DENOMINATORS_IN = Rows("denominator", DENOMINATOR, denominators)
TARGETS_IN = Rows("target", TARGET, targets)
FIGURES_IN = Rows("figure", FIGURE, figures)
