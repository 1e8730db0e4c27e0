-- Events by minute, village and channel of the days from `first_day` to `last_day`: of the last eight days from
-- rate_minute, of older ones counted from the events. Each side is left out where none of its days is asked for.
minutes AS
(
    SELECT minute, region, channel, events, registered, activated, failed, deactivated
    FROM rate_minute FINAL
    WHERE minute >= toDateTime(today_wib - 8, 'Asia/Jakarta')
        AND minute >= toDateTime(first_day, 'Asia/Jakarta') AND minute < toDateTime(last_day + 1, 'Asia/Jakarta')
        AND last_day >= today_wib - 8
    UNION ALL
    SELECT
        toStartOfMinute(occurred_at) AS minute,
        domicile AS region,
        channel,
        toUInt64(1) AS events,
        toUInt64(type = 'ActivationRegistered') AS registered,
        toUInt64(type = 'Activated') AS activated,
        toUInt64(type = 'AttemptFailed') AS failed,
        toUInt64(type = 'Deactivated') AS deactivated
    FROM activity FINAL
    WHERE day < today_wib - 8 AND day BETWEEN first_day AND last_day AND first_day < today_wib - 8
)
