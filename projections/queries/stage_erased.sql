-- Pseudonyms of erased people that were written while they were being erased.
WITH (SELECT (any(k0), any(k1)) FROM erasure_key) AS key
SELECT DISTINCT lower(hex(subject_id)) AS subject
FROM person_stage
WHERE sipHash128Keyed(key, subject_id) IN (SELECT subject_hash FROM erased)
