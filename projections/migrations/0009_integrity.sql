-- What the log holds, read again by other code than the worker's: one row a record, ids only. By region and day, so that
-- a set of events can be compared with what the tables hold of it.
CREATE TABLE logged
(
    topic LowCardinality(String),
    region UInt64,
    day Date,
    event_id FixedString(16),
    partition UInt32,
    offset UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, region, day, event_id, partition, offset);

-- The slice of the log that is being checked. Not a record: its partition goes when the check is done.
CREATE TABLE auditing
(
    run UInt64,
    topic LowCardinality(String),
    region UInt64,
    day Date,
    event_id FixedString(16),
    partition UInt32,
    offset UInt64
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY (topic, region, day);

CREATE MATERIALIZED VIEW auditing_to_logged TO logged AS
SELECT * EXCEPT run FROM auditing;

-- How far each partition was checked: count and digest of the events before `position`, as the log has them.
-- Digests of ids are sums modulo 2^64, see docs/exactness.md.
CREATE TABLE audited
(
    topic LowCardinality(String),
    partition UInt32,
    position UInt64,
    events UInt64,
    refused UInt64,
    digest UInt64,
    checked_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(checked_at)
ORDER BY (topic, partition);

-- Where log and tables differ. The last look at it holds; `open` says whether it still does.
-- kind: missing (in the log, not in `held_by`), unexpected (the other way round), doubled (two rows under one id).
-- partition and offset are -1 where the log has no such record.
CREATE TABLE integrity_difference
(
    topic LowCardinality(String),
    kind LowCardinality(String),
    held_by LowCardinality(String),
    event_id FixedString(16),
    region UInt64,
    day Date,
    partition Int32,
    offset Int64,
    found_at DateTime64(3, 'UTC'),
    open Bool,
    seen_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(seen_at)
ORDER BY (topic, kind, held_by, event_id, partition, offset);
