-- What each person changes, by village and day, from all of their events; of everybody between two pseudonyms.
INSERT INTO person_day (village, day, subject_id, active_change, activated, deactivated, moved_in, moved_out, version)
WITH
moves AS
(
    SELECT subject_id, occurred_at, event_id, type, domicile
    FROM activation_event
    PREWHERE subject_id BETWEEN toFixedString(unhex(%(low)s), 16) AND toFixedString(unhex(%(high)s), 16)
),
-- include lives
,
-- include changes
SELECT village, day, subject_id, active_change, activated, deactivated, moved_in, moved_out, version
FROM changes
