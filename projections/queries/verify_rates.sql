SELECT
    region,
    toDate(minute, 'Asia/Jakarta') AS day,
    sum(r.events) AS events,
    sum(r.registered) AS registered,
    sum(r.activated) AS activated,
    sum(r.failed) AS failed,
    sum(r.deactivated) AS deactivated
FROM rate_minute AS r FINAL
GROUP BY region, day
