-- The same of any time, counted from the events of a range of villages. `cut`: what a village's code is divided by.
SELECT
    intDiv(domicile, %(cut)s) AS region,
    channel,
    count() AS events,
    countIf(type = 'ActivationRegistered') AS registered,
    countIf(type = 'Activated') AS activated,
    countIf(type = 'AttemptFailed') AS failed,
    countIf(type = 'Deactivated') AS deactivated
FROM activity FINAL
WHERE day BETWEEN toDate(toDateTime(%(begin)s, 'UTC'), 'Asia/Jakarta')
        AND toDate(toDateTime(%(end)s, 'UTC'), 'Asia/Jakarta')
    AND occurred_at >= toDateTime(%(begin)s, 'UTC') AND occurred_at < toDateTime(%(end)s, 'UTC')
    AND domicile BETWEEN %(low)s AND %(high)s
GROUP BY region, channel
ORDER BY region, toString(channel)
