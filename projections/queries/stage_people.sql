-- How far the people of new events have come, from all of their events; those between two pseudonyms.
INSERT INTO person_stage
    (day, village, subject_id, counts, entered_at, registered_at, face_at, qr_at, activated_at, used_at, kept, version)
WITH
-- include fresh
,
people AS
(
    SELECT
        subject_id,
        uniqExact(event_id) AS version,
        countIf(type = 'ActivationRegistered') > 0 AS known,
        -- The registration, or the activation where none is known.
        argMinIf((toDate(occurred_at, 'Asia/Jakarta'), domicile, occurred_at), (occurred_at, event_id),
            type = 'ActivationRegistered') AS registered,
        argMinIf((toDate(occurred_at, 'Asia/Jakarta'), domicile, occurred_at), (occurred_at, event_id),
            type = 'Activated') AS activated,
        if(known, registered, activated) AS entry,
        groupUniqArrayIf((toDate(occurred_at, 'Asia/Jakarta'), domicile), type IN ('ActivationRegistered', 'Activated'))
            AS named,
        minOrNullIf(occurred_at, type = 'ActivationRegistered') AS registered_at,
        minOrNullIf(occurred_at, type = 'FaceVerified') AS face_at,
        minOrNullIf(occurred_at, type = 'QrVerified') AS qr_at,
        minOrNullIf(occurred_at, type = 'Activated') AS activated_at,
        minOrNullIf(occurred_at, type = 'FirstUsed') AS used_at,
        groupArrayIf((occurred_at, event_id, type = 'Activated'), type IN ('Activated', 'Deactivated')) AS statuses,
        arraySort(arrayFilter(s -> s.1 <= assumeNotNull(activated_at) + toIntervalDay(30), statuses)) AS by_then,
        -- Active 30 days after the first activation; whether these days are over is for who asks.
        notEmpty(by_then) AND isNotNull(activated_at) AND by_then[-1].3 AS kept
    FROM activation_event
    PREWHERE subject_id BETWEEN toFixedString(unhex(%(low)s), 16) AND toFixedString(unhex(%(high)s), 16)
        AND subject_id IN (SELECT subject_id FROM fresh)
    WHERE type IN ('ActivationRegistered', 'FaceVerified', 'QrVerified', 'Activated', 'FirstUsed', 'Deactivated')
    GROUP BY subject_id
)
SELECT
    place.1 AS day, place.2 AS village, subject_id, place = (entry.1, entry.2) AS counts, entry.3 AS entered_at,
    registered_at, face_at, qr_at, activated_at, used_at, kept, bitShiftLeft(toUInt64(%(generation)s), 40) + version
FROM people
ARRAY JOIN named AS place
SETTINGS apply_patch_parts = 0, max_threads = 1 -- nobody waits for it
