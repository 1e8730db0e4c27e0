-- Outreach as reported: planned, held, cancelled, campaigns. Columns that a type lacks are empty.
CREATE TABLE outreach_event
(
    event_id FixedString(16),
    type LowCardinality(String),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    service_region UInt64,
    outreach_id FixedString(16),
    kind LowCardinality(String),
    place String,
    planned_for Nullable(Date32),
    team_size Int32,
    hours Float64,
    reached Int64,
    registered Int64,
    activated Int64,
    reason LowCardinality(String),
    medium LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (service_region, occurred_at, event_id);

-- Counts of people to divide by, as released. Of several releases of one count the one recorded last holds.
CREATE TABLE denominator
(
    event_id FixedString(16),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    region UInt64,
    basis LowCardinality(String),
    vintage Date32,
    value UInt64,
    origin String,
    method String
)
ENGINE = ReplacingMergeTree
ORDER BY (region, basis, vintage, recorded_at, event_id);

CREATE TABLE target
(
    event_id FixedString(16),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    region UInt64,
    basis LowCardinality(String),
    ratio Float64,
    valid_from Date32,
    valid_to Nullable(Date32),
    origin String
)
ENGINE = ReplacingMergeTree
ORDER BY (region, valid_from, recorded_at, event_id);

-- Figures as somebody printed them: claims, never used as counts.
CREATE TABLE figure
(
    event_id FixedString(16),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    region UInt64,
    reported_on Date32,
    printed String,
    claim LowCardinality(String),
    basis LowCardinality(String),
    origin String
)
ENGINE = ReplacingMergeTree
ORDER BY (region, reported_on, event_id);

-- Sources that say they are there, one row a report and region: "no activations" and "no news" differ.
CREATE TABLE source_report
(
    source LowCardinality(String),
    region UInt64,
    occurred_at DateTime64(3, 'UTC'),
    event_id FixedString(16),
    events_sent UInt64,
    complete_until DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (region, source, occurred_at, event_id);
