-- Changes by day, week (from Monday) or month within two days, and in one row of the day before them all that was
-- earlier. Periods cut by the first day start on it.
SELECT
    if(day < toDate32(%(first)s),
        toDate32(%(first)s) - 1,
        greatest(toDate32(%(first)s), toDate32(
            multiIf(%(interval)s = 'month', toStartOfMonth(day), %(interval)s = 'week', toMonday(day), day)))) AS start,
    sum(c.active_change) AS active_change,
    sum(c.activated) AS activated,
    sum(c.deactivated) AS deactivated,
    sum(c.moved_in) AS moved_in,
    sum(c.moved_out) AS moved_out
FROM coverage_day AS c FINAL
WHERE region = %(region)s AND day <= toDate32(%(last)s)
GROUP BY start
ORDER BY start
