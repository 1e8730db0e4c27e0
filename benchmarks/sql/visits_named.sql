-- A fifth of the activations once more, through the worker's own door, as said by the offices that named the visit to the
-- village that week: recorded later, under the same ids.
INSERT INTO activation_in
SELECT
    * REPLACE (
        recorded_at + 1 AS recorded_at,
        MD5(concat(toString(domicile), '/', toString(toMonday(occurred_at, 'Asia/Jakarta')))) AS outreach_id),
    %(run)s AS run
FROM activation_event
WHERE type = 'Activated' AND modulo(sipHash64(subject_id), 5) = 0
