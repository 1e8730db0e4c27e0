-- The last day up to one with an activation, of some villages.
SELECT region AS village, max(day) AS last
FROM coverage_day AS c FINAL
WHERE region IN %(villages)s AND day <= %(last)s AND c.activated > 0
GROUP BY village
