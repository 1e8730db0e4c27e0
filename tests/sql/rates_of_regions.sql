-- Events of every region in the minute, the hour and the day before a moment, by channel: plainly, for all at once.
SELECT
    region,
    seconds,
    channel,
    sum(r.events) AS events,
    sum(r.registered) AS registered,
    sum(r.activated) AS activated,
    sum(r.failed) AS failed,
    sum(r.deactivated) AS deactivated
FROM
(
    SELECT region, minute, channel, events, registered, activated, failed, deactivated
    FROM region_minute FINAL
    WHERE minute >= toDateTime(%(end)s - 86400, 'UTC') AND minute < toDateTime(%(end)s, 'UTC')
) AS r
ARRAY JOIN [60, 3600, 86400] AS seconds
WHERE r.minute >= toDateTime(%(end)s - seconds, 'UTC')
GROUP BY region, seconds, channel
ORDER BY region, seconds, channel
SETTINGS max_threads = 1
