-- Regions and days with rows in blocks behind `seen`, each with its change as it is now; no more than `most` of them. A
-- part is named all_LOWEST_HIGHEST_LEVEL by the blocks in it.
-- The newest row by hand: FINAL would read and merge whole granules before it filters.
SELECT region, toUInt16(day) AS number, last.1 AS active_change, last.2 AS deactivated, last.3 AS moved_in, last.4 AS moved_out
FROM
(
    SELECT region, day, argMax((active_change, deactivated, moved_in, moved_out), version) AS last
    FROM coverage_day
    PREWHERE (region, day) IN (
        SELECT DISTINCT region, day FROM coverage_day
        WHERE toInt64(splitByChar('_', _part)[3]) > %(seen)s AND _block_number > %(seen)s
        LIMIT %(most)s)
    GROUP BY region, day
)
SETTINGS max_threads = 1
