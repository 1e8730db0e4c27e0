-- Whom a run touched, and whether the base may have had a move of them before: who writes says so where it knows better,
-- see `projections/known.py`. Of everybody else, what came lately is all there is.
ALTER TABLE touched_person ADD COLUMN known Bool DEFAULT true;

-- No column of `SELECT *`, by which the base takes what comes in.
ALTER TABLE activation_in ADD COLUMN known Bool MATERIALIZED true;

-- A view keeps the columns that it was made with, so it is made anew, and another one notes whoever passes in between.
CREATE MATERIALIZED VIEW activation_to_touched_meanwhile TO touched_person AS
WITH (SELECT (any(k0), any(k1)) FROM erasure_key) AS key, sipHash128Keyed(key, activation_in.subject_id) AS hash
SELECT run, if(hash IN (SELECT subject_hash FROM erased), hash, activation_in.subject_id) AS subject_id
FROM activation_in
WHERE run != 0 AND type IN ('Activated', 'Deactivated', 'SubjectArrived', 'SubjectDeparted', 'SubjectErased');

DROP VIEW activation_to_touched_person;

-- Behind the hash of somebody erased there may be any number of events, whatever is known of the pseudonym.
CREATE MATERIALIZED VIEW activation_to_touched_person TO touched_person AS
WITH
    (SELECT (any(k0), any(k1)) FROM erasure_key) AS key,
    sipHash128Keyed(key, activation_in.subject_id) AS hash,
    hash IN (SELECT subject_hash FROM erased) AS gone
SELECT run, if(gone, hash, activation_in.subject_id) AS subject_id, activation_in.known OR gone AS known
FROM activation_in
WHERE run != 0 AND type IN ('Activated', 'Deactivated', 'SubjectArrived', 'SubjectDeparted', 'SubjectErased');

DROP VIEW activation_to_touched_meanwhile;
