-- What each touched person changes, by village and day, from all of their events.
-- Who was erased is left out here, and not by the patches that took their events away: to have any patch applied costs a
-- question about 10 million events seven times as much. The hash in their place has all of their events.
INSERT INTO touched_day (run, village, day, subject_id, active_change, activated, deactivated, moved_in, moved_out, version)
WITH
moves AS
(
    SELECT subject_id, occurred_at, event_id, type, domicile
    FROM activation_event
    PREWHERE subject_id IN (
        SELECT subject_id FROM touched_person
        WHERE run = %(run)s
            AND sipHash128Keyed((SELECT (any(k0), any(k1)) FROM erasure_key), subject_id)
                NOT IN (SELECT subject_hash FROM erased))
),
-- include lives
,
-- include changes
SELECT %(run)s, village, day, subject_id, active_change, activated, deactivated, moved_in, moved_out, version
FROM changes
SETTINGS apply_patch_parts = 0
