-- The same of any time, counted from the events of a range of villages.
SELECT
    seconds,
    channel,
    count() AS events,
    countIf(type = 'ActivationRegistered') AS registered,
    countIf(type = 'Activated') AS activated,
    countIf(type = 'AttemptFailed') AS failed,
    countIf(type = 'Deactivated') AS deactivated
FROM
(
    SELECT occurred_at, channel, type
    FROM activity FINAL
    WHERE day BETWEEN toDate(toDateTime(%(end)s - 86400, 'UTC'), 'Asia/Jakarta')
            AND toDate(toDateTime(%(end)s, 'UTC'), 'Asia/Jakarta')
        AND occurred_at >= toDateTime(%(end)s - 86400, 'UTC') AND occurred_at < toDateTime(%(end)s, 'UTC')
        AND domicile BETWEEN %(low)s AND %(high)s
)
ARRAY JOIN [60, 3600, 86400] AS seconds
WHERE occurred_at >= toDateTime(%(end)s - seconds, 'UTC')
GROUP BY seconds, channel
ORDER BY seconds, toString(channel)
