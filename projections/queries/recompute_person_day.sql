-- What each touched person changes, by village and day, from all of their events.
--
-- Events in order of (occurred_at, event_id). Activated and Deactivated set the status; Activated and SubjectArrived set
-- the domicile; SubjectDeparted clears it if it names the present one. A person counts where they live while active.
-- s0, d0 are status and domicile before an event, s1, d1 after it.
INSERT INTO touched_day (run, village, day, subject_id, active_change, activated, deactivated, moved_in, moved_out, version)
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
FROM
(
    SELECT
        subject_id,
        version,
        days,
        arrayDistinct(villages) AS named,
        arrayMap(s -> s = 1, arrayFill(s -> s >= 0,
            arrayMap(t -> multiIf(t = 'Activated', 1, t = 'Deactivated', 0, -1), types))) AS s1,
        arrayPushFront(arrayPopBack(s1), false) AS s0,
        -- The village set last, when it was set, and when a departure from it followed.
        arrayFill(v -> v != 0, arrayMap((t, v) -> if(t IN ('Activated', 'SubjectArrived'), v, 0), types, villages)) AS home,
        arrayFill(i -> i != 0,
            arrayMap((t, i) -> if(t IN ('Activated', 'SubjectArrived'), i, 0), types, arrayEnumerate(types))) AS came,
        arrayFill(i -> i != 0,
            arrayMap((t, v, h, i) -> if(t = 'SubjectDeparted' AND v = h, i, 0),
                types, villages, home, arrayEnumerate(types))) AS went,
        arrayMap((h, c, w) -> if(w < c, h, 0), home, came, went) AS d1,
        arrayPushFront(arrayPopBack(d1), toUInt64(0)) AS d0
    FROM
    (
        SELECT
            subject_id,
            arraySort(groupUniqArray((occurred_at, event_id, type, domicile))) AS log,
            length(log) AS version,
            arrayMap(e -> toDate(e.1, 'Asia/Jakarta'), log) AS days,
            arrayMap(e -> toString(e.3), log) AS types,
            arrayMap(e -> e.4, log) AS villages
        FROM activation_event
        WHERE subject_id IN (SELECT subject_id FROM touched WHERE run = %(run)s AND moves_count)
            AND type IN ('Activated', 'Deactivated', 'SubjectArrived', 'SubjectDeparted')
        GROUP BY subject_id
    )
)
ARRAY JOIN named AS village
ARRAY JOIN arrayDistinct(days) AS day
