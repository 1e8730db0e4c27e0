WITH
toDate(now(), 'Asia/Jakarta') AS today_wib,
toDate('1970-01-01') AS first_day,
toDate('2105-01-01') AS last_day,
-- include minutes
SELECT
    region,
    toDate(minute, 'Asia/Jakarta') AS day,
    sum(r.events) AS events,
    sum(r.registered) AS registered,
    sum(r.activated) AS activated,
    sum(r.failed) AS failed,
    sum(r.deactivated) AS deactivated
FROM minutes AS r
GROUP BY region, day
