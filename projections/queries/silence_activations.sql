-- Activations by region and day, from a day on: which of them a source has spoken for is decided by who asks.
SELECT region, day, c.activated AS activated
FROM coverage_day AS c FINAL
WHERE region IN %(regions)s AND day >= toDate32(%(first)s) AND day <= toDate32(%(last)s) AND c.activated > 0
ORDER BY region, day
