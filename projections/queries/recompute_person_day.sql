-- What each touched person changes, by village and day, from all of their events.
INSERT INTO touched_day (run, village, day, subject_id, active_change, activated, deactivated, moved_in, moved_out, version)
WITH
moves AS
(
    SELECT subject_id, occurred_at, event_id, type, domicile
    FROM activation_event
    WHERE subject_id IN (SELECT subject_id FROM touched WHERE run = %(run)s AND moves_count)
),
-- include lives
SELECT
    %(run)s,
    village,
    day,
    subject_id,
    arraySum((d, a, b, x, y) -> if(d = day, (b = village AND y) - (a = village AND x), 0), days, d0, d1, s0, s1),
    arraySum((d, b, x, y) -> d = day AND b = village AND y AND NOT x, days, d1, s0, s1),
    arraySum((d, a, b, x, y) -> d = day AND a = village AND a = b AND x AND NOT y, days, d0, d1, s0, s1),
    arraySum((d, a, b, x, y) -> d = day AND b = village AND a != b AND x AND y, days, d0, d1, s0, s1),
    arraySum((d, a, b, x) -> d = day AND a = village AND a != b AND x, days, d0, d1, s0),
    version
FROM lives
ARRAY JOIN named AS village
ARRAY JOIN arrayDistinct(days) AS day
