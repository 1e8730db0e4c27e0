-- Webhooks: where events are sent for those who can't hold a stream open. One row a change of a webhook; the one with the
-- highest number holds. The secret that signs is nowhere: it is made of `salt` and a key that the database never sees.
CREATE TABLE webhook
(
    name String,
    url String,
    topics Array(LowCardinality(String)),
    region UInt64,
    types Array(LowCardinality(String)),
    salt String,
    epoch UInt64,
    state LowCardinality(String),
    reason String,
    created_at DateTime64(3, 'UTC'),
    change UInt64
)
ENGINE = ReplacingMergeTree(change)
ORDER BY name;

-- The next offset to send, by topic's public name and partition. A replay begins another epoch with positions of its own.
CREATE TABLE webhook_position
(
    name String,
    epoch UInt64,
    topic LowCardinality(String),
    partition UInt32,
    position UInt64
)
ENGINE = ReplacingMergeTree(position)
ORDER BY (name, epoch, topic, partition);

-- How sending goes. `failing_since` is the zero of time while the last attempt was taken.
CREATE TABLE webhook_status
(
    name String,
    epoch UInt64,
    failing_since DateTime64(3, 'UTC'),
    last_error String,
    noted_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(noted_at)
ORDER BY (name, epoch);

-- Events that were given up after the last attempt. `settled`: sent again and taken, or gone from the log.
CREATE TABLE webhook_parked
(
    name String,
    topic LowCardinality(String),
    partition UInt32,
    offset UInt64,
    event_id String,
    reason String,
    attempts UInt32,
    parked_at DateTime64(3, 'UTC'),
    settled Bool,
    noted_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(noted_at)
ORDER BY (name, topic, partition, offset);
