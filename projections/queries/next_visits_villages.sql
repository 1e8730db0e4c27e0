-- Villages of a range that events have named: who is active at the end of a day, and the last day with an activation.
SELECT
    region AS village,
    sumIf(c.active_change, day <= %(today)s) AS active,
    maxOrNullIf(day, c.activated > 0 AND day <= %(today)s) AS last_activation
FROM coverage_day AS c FINAL
WHERE region BETWEEN %(low)s AND %(high)s AND region >= 1000000000
GROUP BY village
