-- What a run touched in two tables instead of three: an insert writes a part of each, and a part costs 10 ms however small.
-- Minute and domicile are 0 where no minute is kept up.
-- A run of number 0 notes nothing: who takes a whole log in counts everything after it, see `projections/whole.py`.
CREATE TABLE touched_place
(
    run UInt64,
    day Date,
    service_region UInt64,
    minute DateTime('UTC'),
    domicile UInt64
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY tuple();

-- Rates are about now: see queries/recompute_region_minute.
CREATE MATERIALIZED VIEW activation_to_touched_place TO touched_place AS
WITH activation_in.occurred_at >= now() - INTERVAL 10 DAY AS late
SELECT DISTINCT
    run,
    toDate(activation_in.occurred_at, 'Asia/Jakarta') AS day,
    service_region,
    if(late, toStartOfMinute(activation_in.occurred_at), toDateTime(0, 'UTC')) AS minute,
    if(late, activation_in.domicile, 0) AS domicile
FROM activation_in
WHERE run != 0;

ALTER TABLE activation_to_touched_person MODIFY QUERY
WITH (SELECT (any(k0), any(k1)) FROM erasure_key) AS key, sipHash128Keyed(key, activation_in.subject_id) AS hash
SELECT run, if(hash IN (SELECT subject_hash FROM erased), hash, activation_in.subject_id) AS subject_id
FROM activation_in
WHERE run != 0 AND type IN ('Activated', 'Deactivated', 'SubjectArrived', 'SubjectDeparted', 'SubjectErased');

-- Last, so that no insert passes in between that nothing notes. A worker of the version before stops at its next
-- recompute with its batches not acknowledged, and the new one takes them in again.
DROP VIEW activation_to_touched_office;
DROP VIEW activation_to_touched_minute;
DROP TABLE touched_office;
DROP TABLE touched_minute;

-- Which regions recomputes touched is what they wrote: see queries/coverage_changed_regions.
DROP TABLE coverage_changed;
