INSERT INTO erased
WITH (SELECT (any(k0), any(k1)) FROM erasure_key) AS key
SELECT sipHash128Keyed(key, subject_id), now64(3) FROM erasing WHERE run = %(run)s
