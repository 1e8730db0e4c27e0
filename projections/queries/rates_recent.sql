-- Events of a region in the minute, the hour and the day before a moment (whole minutes) of the last eight days, by channel.
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
    SELECT minute, channel, events, registered, activated, failed, deactivated
    FROM region_minute FINAL
    WHERE region = %(region)s
        AND minute >= toDateTime(%(end)s - 86400, 'UTC') AND minute < toDateTime(%(end)s, 'UTC')
) AS r
ARRAY JOIN [60, 3600, 86400] AS seconds
WHERE r.minute >= toDateTime(%(end)s - seconds, 'UTC')
GROUP BY seconds, channel
ORDER BY seconds, channel
SETTINGS max_threads = 1
