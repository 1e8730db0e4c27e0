-- Activations, narrow: who was served where, and by which outreach. The event base is sorted by person, and activations are
-- few of what happens. By day first, as a question is about some weeks, then by where the person lives.
-- Of one event sent with other particulars those recorded last hold, as in the base.
CREATE TABLE activated_event
(
    day Date,
    domicile UInt64,
    event_id FixedString(16),
    recorded_at DateTime64(3, 'UTC'),
    service_region UInt64,
    outreach_id FixedString(16)
)
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY (day, domicile, event_id)
SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW activation_to_activated TO activated_event AS
SELECT toDate(occurred_at, 'Asia/Jakarta') AS day, domicile, event_id, recorded_at, service_region, outreach_id
FROM activation_in
WHERE type = 'Activated';

-- After the view, so that nothing passes in between; a row that came both ways is one.
INSERT INTO activated_event (day, domicile, event_id, recorded_at, service_region, outreach_id)
SELECT toDate(occurred_at, 'Asia/Jakarta'), domicile, event_id, recorded_at, service_region, outreach_id
FROM activation_event
WHERE type = 'Activated';
