-- Failed attempts, narrow and without the person: what barriers are counted from. The event base is sorted by person, and
-- few of its events are failures. By day first, as a question is about some weeks of any region.
-- Of one event sent with other particulars those recorded last hold, as in the base.
CREATE TABLE failure
(
    day Date,
    village UInt64,
    event_id FixedString(16),
    recorded_at DateTime64(3, 'UTC'),
    reason LowCardinality(String),
    step LowCardinality(String),
    channel LowCardinality(String),
    age_band LowCardinality(String),
    device_class LowCardinality(String)
)
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY (day, village, event_id)
SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW activation_to_failure TO failure AS
SELECT
    toDate(occurred_at, 'Asia/Jakarta') AS day,
    domicile AS village,
    event_id,
    recorded_at,
    reason,
    step,
    channel,
    age_band,
    device_class
FROM activation_in
WHERE type = 'AttemptFailed';

-- After the view, so that nothing passes in between; a row that came both ways is one.
INSERT INTO failure (day, village, event_id, recorded_at, reason, step, channel, age_band, device_class)
SELECT
    toDate(occurred_at, 'Asia/Jakarta') AS day,
    domicile,
    event_id,
    recorded_at,
    reason,
    step,
    channel,
    age_band,
    device_class
FROM activation_event
WHERE type = 'AttemptFailed';
