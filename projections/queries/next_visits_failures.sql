-- Failed attempts of the residents of each village of a range, and those for want of a connection.
SELECT village, count() AS failed, countIf(reason = 'no_connectivity') AS no_connectivity
FROM failure FINAL
WHERE day BETWEEN %(first)s AND %(last)s AND village BETWEEN %(low)s AND %(high)s
GROUP BY village
