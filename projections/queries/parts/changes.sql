-- What each person of `lives` changes: a row for every village and every day that their events name, zeros too.
changes AS
(
    SELECT
        subject_id,
        village,
        day,
        arraySum((d, a, b, x, y) -> if(d = day, (b = village AND y) - (a = village AND x), 0), days, d0, d1, s0, s1)
            AS active_change,
        arraySum((d, b, x, y) -> d = day AND b = village AND y AND NOT x, days, d1, s0, s1) AS activated,
        arraySum((d, a, b, x, y) -> d = day AND a = village AND a = b AND x AND NOT y, days, d0, d1, s0, s1) AS deactivated,
        arraySum((d, a, b, x, y) -> d = day AND b = village AND a != b AND x AND y, days, d0, d1, s0, s1) AS moved_in,
        arraySum((d, a, b, x) -> d = day AND a = village AND a != b AND x, days, d0, d1, s0) AS moved_out,
        version
    FROM lives
    ARRAY JOIN named AS village
    ARRAY JOIN arrayDistinct(days) AS day
)
