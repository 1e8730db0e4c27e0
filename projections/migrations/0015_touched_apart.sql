-- What a run touched, each kind for itself: people whose days change, offices and days, minutes of late. Most events
-- move nobody and are of old minutes, and an office's day is named once a batch: a row an event, sorted and merged, cost
-- a tenth of what taking an event in does. Unsorted: each is read once, whole, as a set.
-- Not a record: a partition goes when its run has recomputed, and a crash repeats the run.
CREATE TABLE touched_person
(
    run UInt64,
    subject_id FixedString(16)
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY tuple();

CREATE MATERIALIZED VIEW activation_to_touched_person TO touched_person AS
WITH (SELECT (any(k0), any(k1)) FROM erasure_key) AS key, sipHash128Keyed(key, activation_in.subject_id) AS hash
SELECT run, if(hash IN (SELECT subject_hash FROM erased), hash, activation_in.subject_id) AS subject_id
FROM activation_in
WHERE type IN ('Activated', 'Deactivated', 'SubjectArrived', 'SubjectDeparted', 'SubjectErased');

CREATE TABLE touched_office
(
    run UInt64,
    day Date,
    service_region UInt64
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY tuple();

CREATE MATERIALIZED VIEW activation_to_touched_office TO touched_office AS
SELECT DISTINCT run, toDate(occurred_at, 'Asia/Jakarta') AS day, service_region
FROM activation_in;

CREATE TABLE touched_minute
(
    run UInt64,
    minute DateTime('UTC'),
    domicile UInt64
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY tuple();

-- Rates are about now: see queries/recompute_rate_minute.
CREATE MATERIALIZED VIEW activation_to_touched_minute TO touched_minute AS
SELECT DISTINCT run, toStartOfMinute(occurred_at) AS minute, domicile
FROM activation_in
WHERE occurred_at >= now() - INTERVAL 10 DAY;

-- Last, so that no insert passes in between that nothing notes. A worker of the version before stops at its next
-- recompute with its batches not acknowledged, and the new one takes them in again.
DROP VIEW activation_to_touched;
DROP TABLE touched;
