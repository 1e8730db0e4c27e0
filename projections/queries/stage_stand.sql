-- The event base as it is, and what of it was staged. `mark`: a rebuild marks the table that it puts in place.
WITH
concat((SELECT any(comment) FROM system.tables WHERE database = currentDatabase() AND name = 'activation_event'),
       '/', toString((SELECT count() FROM stage_again))) AS marked,
(
    SELECT argMax((s.generation, s.aims, s.states), s.generation)
    FROM
    (
        SELECT generation, min(aim) AS aims, max(state) AS states
        FROM staging
        WHERE staging.mark = marked
        GROUP BY generation
    ) AS s
) AS last
SELECT
    marked AS mark,
    (SELECT max(max_block_number) FROM system.parts
     WHERE active AND database = currentDatabase() AND table = 'activation_event' AND NOT startsWith(name, 'patch-'))
        AS newest,
    (SELECT uniqExact(subject_hash) FROM erased) - (SELECT uniqExact(subject_id) FROM erasing) AS settled,
    last.1 AS generation,
    (SELECT max(staging.generation) FROM staging) AS generations,
    last.2 AS aim,
    last.3.1 AS block,
    last.3.2 AS next,
    last.3.3 AS settled_before,
    last.3.4 AS staged_at,
    (SELECT count() FROM staging WHERE staging.mark = marked) > 0 AS begun
