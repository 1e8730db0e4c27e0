-- The first and the last day that events name in a region.
SELECT count() AS days, min(day) AS first, max(day) AS last
FROM coverage_day
WHERE region = %(region)s
