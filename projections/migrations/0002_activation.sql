-- The event base: an idempotent copy of ikd.activation.v1. One row an event, whatever is delivered, how often, in what
-- order: the sorting key holds the event's id, and a row with the same key replaces its equal. Should a source send other
-- particulars (a band, a channel, a reason) under one id, those recorded last hold, whatever came first. Another person,
-- time, type or domicile under one id breaks the contract: the recount names it.
-- By subject, because what a person counts for is computed from all of that person's events.
-- Small granules, because a single event must find its person's others at once.
CREATE TABLE activation_event
(
    event_id FixedString(16),
    type LowCardinality(String),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    service_region UInt64,
    domicile UInt64,
    subject_id FixedString(16),
    age_band LowCardinality(String),
    sex LowCardinality(String),
    channel LowCardinality(String),
    device_class LowCardinality(String),
    outreach_id FixedString(16),
    step LowCardinality(String),
    reason LowCardinality(String),
    counterpart UInt64
)
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY (subject_id, occurred_at, event_id)
SETTINGS index_granularity = 512;

-- Erased people: the source destroyed what leads from the pseudonym to the person, and the pseudonym goes too. In its
-- place stands a keyed hash of it, so that counts stay as they are and late or repeated events still join the same person.
-- `erased` holds the hashes of those who were erased; the key is made once and never leaves the database.
CREATE TABLE erasure_key
(
    k0 UInt64,
    k1 UInt64
)
ENGINE = MergeTree
ORDER BY tuple();

INSERT INTO erasure_key SELECT rand64(1), rand64(2) WHERE (SELECT count() FROM erasure_key) = 0;

CREATE TABLE erased
(
    subject_hash FixedString(16),
    erased_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY subject_hash;

-- Pseudonyms on their way out, for as long as a run takes. Not a record.
CREATE TABLE erasing
(
    run UInt64,
    subject_id FixedString(16)
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY subject_id;

-- The door: one insert fans out to every copy below, and fails as a whole. `run` names the recompute that will follow.
CREATE TABLE activation_in AS activation_event ENGINE = Null;

ALTER TABLE activation_in ADD COLUMN run UInt64;

CREATE MATERIALIZED VIEW activation_to_event TO activation_event AS
WITH (SELECT (any(k0), any(k1)) FROM erasure_key) AS key, sipHash128Keyed(key, activation_in.subject_id) AS hash
SELECT * EXCEPT run REPLACE if(hash IN (SELECT subject_hash FROM erased), hash, activation_in.subject_id) AS subject_id
FROM activation_in;

-- The same events by day and office, narrow: what rates and service are counted from.
CREATE TABLE activity
(
    day Date,
    service_region UInt64,
    occurred_at DateTime64(3, 'UTC'),
    event_id FixedString(16),
    domicile UInt64,
    type LowCardinality(String),
    channel LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (day, service_region, occurred_at, event_id)
SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW activation_to_activity TO activity AS
SELECT toDate(occurred_at, 'Asia/Jakarta') AS day, service_region, occurred_at, event_id, domicile, type, channel
FROM activation_in;

-- What a run touched. Not a record: its partition goes when the run has recomputed, and a crash repeats the run.
CREATE TABLE touched
(
    run UInt64,
    subject_id FixedString(16),
    domicile UInt64,
    service_region UInt64,
    occurred_at DateTime64(3, 'UTC'),
    moves_count Bool
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY subject_id;

CREATE MATERIALIZED VIEW activation_to_touched TO touched AS
WITH (SELECT (any(k0), any(k1)) FROM erasure_key) AS key, sipHash128Keyed(key, activation_in.subject_id) AS hash
SELECT run, if(hash IN (SELECT subject_hash FROM erased), hash, activation_in.subject_id) AS subject_id,
       domicile, service_region, occurred_at,
       type IN ('Activated', 'Deactivated', 'SubjectArrived', 'SubjectDeparted', 'SubjectErased') AS moves_count
FROM activation_in;
