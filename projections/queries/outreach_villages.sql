-- Villages of a range by day, from `first` to `last`: people who became active; and who was active before those days.
SELECT
    region AS village,
    min(day) AS heard,
    sumIf(active_change, day < %(first)s) AS active_before,
    groupArrayIf(dateDiff('day', toDate(%(first)s), day), day >= %(first)s) AS days,
    groupArrayIf(activated, day >= %(first)s) AS activated,
    groupArrayIf(active_change, day >= %(first)s) AS changes
FROM coverage_day FINAL
WHERE region BETWEEN %(low)s AND %(high)s AND day <= %(last)s
GROUP BY village
ORDER BY village
