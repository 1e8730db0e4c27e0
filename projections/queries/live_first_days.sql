-- The first day that events name, of each of some regions.
SELECT region, min(day) AS first
FROM coverage_day
WHERE region IN %(regions)s
GROUP BY region
