-- A stretch of days, as `recompute_region_minute` finds them. Rows of more than twelve days ago go by themselves.
INSERT INTO region_minute (region, minute, channel, events, registered, activated, failed, deactivated, version)
SELECT region, toStartOfMinute(occurred_at) AS minute, channel, count(), 0, countIf(type = 'Activated'), 0,
    countIf(type = 'Deactivated'), count()
FROM activity
ARRAY JOIN
    [domicile, intDiv(domicile, 10000), intDiv(domicile, 1000000), intDiv(domicile, 100000000), 0] AS region
WHERE day >= %(begin)s AND day < %(end)s AND occurred_at >= now() - INTERVAL 10 DAY
GROUP BY region, minute, channel
