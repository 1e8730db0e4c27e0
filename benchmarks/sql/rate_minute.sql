INSERT INTO rate_minute (minute, region, channel, events, registered, activated, failed, deactivated, version)
SELECT toStartOfMinute(occurred_at) AS minute, domicile, channel, count(), 0, countIf(type = 'Activated'), 0,
    countIf(type = 'Deactivated'), count()
FROM activity
WHERE day >= %(begin)s AND day < %(end)s
GROUP BY minute, domicile, channel
