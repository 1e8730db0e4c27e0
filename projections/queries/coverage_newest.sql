-- Regions and days with rows in blocks behind `seen`, as all of their rows have them; no more than `most`.
SELECT region, number, counted, change, ended, came, went
FROM
(
-- include newest_day
    PREWHERE (toStartOfMonth(day), region, day) IN (
        SELECT DISTINCT toStartOfMonth(day), region, day FROM coverage_day
        WHERE toInt64(splitByChar('_', _part)[3]) > %(seen)s AND _block_number > %(seen)s
        LIMIT %(most)s)
    GROUP BY region, day
)
SETTINGS max_threads = 1
