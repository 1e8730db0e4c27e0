-- What each touched person changes, by village and day, from all of their events.
INSERT INTO touched_day (run, village, day, subject_id, active_change, activated, deactivated, moved_in, moved_out, version)
WITH
-- include touched
,
moves AS
(
    SELECT subject_id, occurred_at, event_id, type, domicile
    FROM activation_event
    PREWHERE subject_id IN (SELECT subject_id FROM touched)
),
-- include lives
,
-- include changes
SELECT %(run)s, village, day, subject_id, active_change, activated, deactivated, moved_in, moved_out, version
FROM changes
SETTINGS apply_patch_parts = 0
