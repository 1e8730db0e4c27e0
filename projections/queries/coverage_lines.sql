-- All that ever changed in some regions, day by day.
SELECT region, toUInt16(day) AS number, active_change, deactivated, moved_in, moved_out
FROM coverage_day FINAL
WHERE region IN %(regions)s
ORDER BY region, number
SETTINGS max_threads = 1
