-- Failed attempts of the residents of each regency, by day and reason, from one day to another.
SELECT toUInt64(intDiv(village, 1000000)) AS region, day, reason, count() AS attempts
FROM failure FINAL
WHERE day BETWEEN %(first)s AND %(last)s
GROUP BY region, day, reason
