-- Regions and days with rows in parts that hold a block behind `seen`, each with its change as it is now. A part is
-- named all_LOWEST_HIGHEST_LEVEL by the blocks in it.
SELECT region, toUInt16(day) AS number, active_change, deactivated, moved_in, moved_out
FROM coverage_day FINAL
WHERE (region, day) IN (
    SELECT region, day FROM coverage_day WHERE toInt64(splitByChar('_', _part)[3]) > %(seen)s)
SETTINGS max_threads = 1
