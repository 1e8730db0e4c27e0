-- How far the answers have come in the log: `position` is the next offset to be read, everything before it is in the
-- answers; `checked_at` is when the worker last said so; `head` is where the log ended then.
CREATE TABLE position
(
    topic LowCardinality(String),
    partition UInt32,
    position UInt64,
    head UInt64,
    record_at DateTime64(3, 'UTC'),
    checked_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(checked_at)
ORDER BY (topic, partition);

-- How far a recount from the log, by other code, has found the answers right.
CREATE TABLE verified
(
    topic LowCardinality(String),
    partition UInt32,
    position UInt64,
    verified_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(verified_at)
ORDER BY (topic, partition);
