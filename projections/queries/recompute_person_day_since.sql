-- As recompute_person_day, where many are new: all events of those who are not known are in blocks behind `block`, of the
-- table with this mark. A part is named all_LOWEST_HIGHEST_LEVEL by the blocks in it, so most are left out unread. Of 6,000
-- new people among 66 million events 75 ms, where to look for each of them everywhere took 256.
INSERT INTO touched_day (run, village, day, subject_id, active_change, activated, deactivated, moved_in, moved_out, version)
WITH
(
    SELECT if(any(comment) = %(mark)s, toInt64(%(block)s), -1)
    FROM system.tables
    WHERE database = currentDatabase() AND name = 'activation_event'
) AS since,
-- include touched
,
moves AS
(
    SELECT subject_id, occurred_at, event_id, type, domicile
    FROM activation_event
    PREWHERE subject_id IN (SELECT subject_id FROM touched WHERE known)
    UNION ALL
    SELECT subject_id, occurred_at, event_id, type, domicile
    FROM activation_event
    PREWHERE subject_id IN (SELECT subject_id FROM touched WHERE NOT known)
    WHERE toInt64(splitByChar('_', _part)[3]) > since AND _block_number > since
),
-- include lives
,
-- include changes
SELECT %(run)s, village, day, subject_id, active_change, activated, deactivated, moved_in, moved_out, version
FROM changes
SETTINGS apply_patch_parts = 0
