-- Whom a run touched. Who was erased is left out here, and not by the patches that took their events away: to have any
-- patch applied costs a question about 10 million events seven times as much. The hash in their place has all of their
-- events.
touched AS
(
    SELECT *
    FROM touched_person
    WHERE run = %(run)s
        AND sipHash128Keyed((SELECT (any(k0), any(k1)) FROM erasure_key), subject_id)
            NOT IN (SELECT subject_hash FROM erased)
)
