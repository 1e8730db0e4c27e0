-- The regions that some recomputes touched.
SELECT DISTINCT region
FROM coverage_changed
WHERE at >= toDateTime64(%(since)s, 3, 'UTC') AND run IN %(runs)s
