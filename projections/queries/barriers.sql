-- Failed attempts of the residents of a range of villages from one day to another, by what `part` says and by reason.
SELECT toString({part}) AS part, reason, count() AS attempts
FROM failure FINAL
WHERE day BETWEEN %(first)s AND %(last)s AND village BETWEEN %(low)s AND %(high)s
GROUP BY part, reason
ORDER BY part, reason
