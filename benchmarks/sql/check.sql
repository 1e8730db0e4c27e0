-- Rows that the recompute of a run found, and how many of the people's rows are on one side only.
SELECT
    (SELECT count() FROM touched_day WHERE run = %(run)s) AS found,
    (
        SELECT count()
        FROM
        (
            SELECT village, day, subject_id, active_change, activated, deactivated, moved_in, moved_out, version,
                uniqExact(side) AS sides
            FROM
            (
                SELECT * EXCEPT run, 'recomputed' AS side FROM touched_day WHERE run = %(run)s
                UNION ALL
                SELECT *, 'written' FROM person_day FINAL
                WHERE subject_id IN (SELECT subject_id FROM touched_day WHERE run = %(run)s)
            )
            GROUP BY ALL
        )
        WHERE sides != 2
    ) AS differing
