-- From how many events the regions were counted that have rows on some days, as rows in blocks up to `seen` have it.
SELECT region, toUInt16(day) AS number, max(version) AS counted
FROM coverage_day
WHERE toStartOfMonth(day) IN %(months)s AND day IN %(days)s AND _block_number <= %(seen)s
GROUP BY region, day
SETTINGS max_threads = 1
