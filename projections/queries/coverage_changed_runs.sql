-- Recomputes that ended since a time, with when they did, in seconds since 1970.
SELECT run, toFloat64(min(at)) AS ended
FROM coverage_changed
WHERE at >= toDateTime64(%(since)s, 3, 'UTC')
GROUP BY run
