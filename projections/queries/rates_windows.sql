-- Events of a range of villages in the minute, the hour and the day before a moment (whole minutes), by channel.
WITH
toDate(now(), 'Asia/Jakarta') AS today_wib,
toDate(toDateTime(%(end)s - 86400, 'UTC'), 'Asia/Jakarta') AS first_day,
toDate(toDateTime(%(end)s, 'UTC'), 'Asia/Jakarta') AS last_day,
-- include minutes
SELECT
    seconds,
    channel,
    sum(r.events) AS events,
    sum(r.registered) AS registered,
    sum(r.activated) AS activated,
    sum(r.failed) AS failed,
    sum(r.deactivated) AS deactivated
FROM
(
    SELECT *
    FROM minutes
    WHERE minute >= toDateTime(%(end)s - 86400, 'UTC') AND minute < toDateTime(%(end)s, 'UTC')
        AND region BETWEEN %(low)s AND %(high)s
) AS r
ARRAY JOIN [60, 3600, 86400] AS seconds
WHERE r.minute >= toDateTime(%(end)s - seconds, 'UTC')
GROUP BY seconds, channel
ORDER BY seconds, channel
