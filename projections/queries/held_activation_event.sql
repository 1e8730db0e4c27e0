-- Rows of one event that differ in `copy` are two, whatever the engine merges.
SELECT event_id, domicile AS region, toDate(occurred_at, 'Asia/Jakarta') AS day, cityHash64(subject_id, occurred_at) AS copy
FROM activation_event
{where}
