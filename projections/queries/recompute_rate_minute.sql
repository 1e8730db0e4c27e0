-- Rates are about now: minutes of the last ten days are kept up, so that the last eight are always right.
-- Older ones are counted from `activity` when somebody asks: see parts/minutes.
INSERT INTO rate_minute (minute, region, channel, events, registered, activated, failed, deactivated, version)
SELECT
    toStartOfMinute(occurred_at) AS minute,
    domicile,
    channel,
    count(),
    countIf(type = 'ActivationRegistered'),
    countIf(type = 'Activated'),
    countIf(type = 'AttemptFailed'),
    countIf(type = 'Deactivated'),
    count()
FROM activity FINAL
WHERE day IN (
        SELECT toDate(minute, 'Asia/Jakarta') FROM touched_minute
        WHERE run = %(run)s AND minute >= now() - INTERVAL 10 DAY)
    AND (toStartOfMinute(occurred_at), domicile) IN (
        SELECT minute, domicile FROM touched_minute
        WHERE run = %(run)s AND minute >= now() - INTERVAL 10 DAY)
GROUP BY minute, domicile, channel
