-- Alerts as they were told: raised, acknowledged, cleared. One row an event, the same again is the same row; what an alert
-- is now comes from its rows (`queries/alerts.sql`), in whatever order they came. Columns that a type lacks are empty.
CREATE TABLE alert_event
(
    event_id FixedString(16),
    type LowCardinality(String),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    region UInt64,
    alert_id FixedString(16),
    kind LowCardinality(String),
    subject String,
    since DateTime64(3, 'UTC'),
    measured Float64,
    threshold Float64,
    reason String,
    acknowledged_by LowCardinality(String)
)
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY (region, alert_id, event_id)
SETTINGS index_granularity = 1024;
