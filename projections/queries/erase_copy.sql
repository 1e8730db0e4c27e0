-- The table's column is named in full: `subject_id` alone would be the hash that replaces it, and find nobody.
INSERT INTO activation_event
WITH (SELECT (any(k0), any(k1)) FROM erasure_key) AS key
SELECT * REPLACE sipHash128Keyed(key, activation_event.subject_id) AS subject_id
FROM activation_event
WHERE activation_event.subject_id IN (SELECT subject_id FROM erasing WHERE run = %(run)s)
