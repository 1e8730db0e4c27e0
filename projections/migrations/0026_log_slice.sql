-- The event base is kept by person: whoever looks for the events of a slice of the log needs to know whose they are, or
-- reads it all. What is kept of the log stays as it was: ids of events, of nobody.
DROP VIEW auditing_to_logged;

DROP TABLE auditing;

-- The slice of the log that is being checked. Not a record: its partition goes when the check is done.
CREATE TABLE log_slice
(
    run UInt64,
    topic LowCardinality(String),
    region UInt64,
    day Date,
    event_id FixedString(16),
    subject_id FixedString(16),
    partition UInt32,
    offset UInt64
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY (topic, region, day);

CREATE MATERIALIZED VIEW log_slice_to_logged TO logged AS
SELECT * EXCEPT (run, subject_id) FROM log_slice;
