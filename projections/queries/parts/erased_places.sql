-- Days and villages by which the days and the stages of people erased in a run stand: all that their events name, of which
-- the base has copies by now, under the hashes in their place. By the pseudonym alone both tables would be read as a whole.
    SELECT day, village
    FROM
    (
        SELECT
            groupUniqArray(toDate(occurred_at, 'Asia/Jakarta')) AS days,
            groupUniqArray(domicile) AS villages
        FROM activation_event
        WHERE subject_id IN (
            SELECT sipHash128Keyed((SELECT (any(k0), any(k1)) FROM erasure_key), subject_id)
            FROM erasing
            WHERE run = %(run)s)
        GROUP BY subject_id
    )
    ARRAY JOIN days AS day
    ARRAY JOIN villages AS village
