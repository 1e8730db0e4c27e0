-- Regions and days with rows in blocks behind `seen`, as these rows alone have them; no more than `most`. A part is named
-- all_LOWEST_HIGHEST_LEVEL by the blocks in it.
SELECT region, number, counted, change, ended, came, went
FROM
(
-- include newest_day
    WHERE toInt64(splitByChar('_', _part)[3]) > %(seen)s AND _block_number > %(seen)s
    GROUP BY region, day
    LIMIT %(most)s
)
SETTINGS max_threads = 1
