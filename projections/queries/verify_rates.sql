-- Events by region of every level and day, as rates give them: of the last eight days from the minutes that are kept up,
-- of older ones counted from the events.
SELECT
    region,
    toDate(minute, 'Asia/Jakarta') AS day,
    sum(r.events) AS events,
    sum(r.registered) AS registered,
    sum(r.activated) AS activated,
    sum(r.failed) AS failed,
    sum(r.deactivated) AS deactivated
FROM region_minute AS r FINAL
WHERE minute >= toDateTime(toDate(now(), 'Asia/Jakarta') - 8, 'Asia/Jakarta')
GROUP BY region, day
UNION ALL
SELECT
    region,
    day,
    count(),
    countIf(type = 'ActivationRegistered'),
    countIf(type = 'Activated'),
    countIf(type = 'AttemptFailed'),
    countIf(type = 'Deactivated')
FROM (SELECT day, type, domicile FROM activity FINAL WHERE day < toDate(now(), 'Asia/Jakarta') - 8)
ARRAY JOIN
    arrayDistinct([domicile, intDiv(domicile, 10000), intDiv(domicile, 1000000), intDiv(domicile, 100000000), 0]) AS region
GROUP BY region, day
