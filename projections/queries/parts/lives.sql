-- Who counts where: the one place where it is decided. From `moves`, some events of some people, to `lives`, one row a
-- person with their events as arrays.
--
-- Events in order of (occurred_at, event_id). Activated and Deactivated set the status; Activated and SubjectArrived set
-- the domicile; SubjectDeparted clears it if it names the present one. A person counts where they live while active.
-- s0, d0 are status and domicile before an event, s1, d1 after it; domicile 0 is none.
lives AS
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
        FROM moves
        WHERE type IN ('Activated', 'Deactivated', 'SubjectArrived', 'SubjectDeparted')
        GROUP BY subject_id
    )
)
