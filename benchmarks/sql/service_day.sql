INSERT INTO service_day (region, day, events, registered, verified, activated, failed, outsiders_activated, version)
SELECT service_region, day, count(), 0, 0, countIf(type = 'Activated'), 0, 0, count()
FROM activity
WHERE day >= %(begin)s AND day < %(end)s
GROUP BY service_region, day
