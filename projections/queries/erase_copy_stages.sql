-- As erase_copy: the column is named in full, the hash would find nobody.
INSERT INTO person_stage
WITH (SELECT (any(k0), any(k1)) FROM erasure_key) AS key
SELECT * REPLACE sipHash128Keyed(key, person_stage.subject_id) AS subject_id
FROM person_stage
WHERE (day, village) IN (
-- include erased_places
    )
    AND person_stage.subject_id IN (SELECT subject_id FROM erasing WHERE run = %(run)s)
