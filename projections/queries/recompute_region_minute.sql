-- Events of the minutes touched, of the villages touched and of all above them: counted from the events once for all
-- levels, so that the versions of a region and of its parents come from one look.
-- Rates are about now: minutes of the last ten days are kept up, so that the last nine are always right. Older ones are
-- counted from `activity` when somebody asks: see rates_older.
INSERT INTO region_minute (region, minute, channel, events, registered, activated, failed, deactivated, version)
SELECT
    region,
    minute,
    channel,
    count(),
    countIf(type = 'ActivationRegistered'),
    countIf(type = 'Activated'),
    countIf(type = 'AttemptFailed'),
    countIf(type = 'Deactivated'),
    count()
FROM
(
    SELECT toStartOfMinute(occurred_at) AS minute, channel, type, domicile
    FROM activity FINAL
    -- Before FINAL, which may be: both are in the key, so of equal rows all are left or none. After it, the whole day
    -- would be merged for one of its minutes.
    PREWHERE day IN (
            SELECT toDate(minute, 'Asia/Jakarta') FROM touched_place
            WHERE run = %(run)s AND minute >= now() - INTERVAL 10 DAY)
        AND toStartOfMinute(occurred_at) IN (
            SELECT minute FROM touched_place
            WHERE run = %(run)s AND minute >= now() - INTERVAL 10 DAY)
)
-- Not the nation twice for someone who lives in no village that is known.
ARRAY JOIN
    arrayDistinct([domicile, intDiv(domicile, 10000), intDiv(domicile, 1000000), intDiv(domicile, 100000000), 0]) AS region
WHERE (minute, region) IN (
    SELECT minute, intDiv(domicile, cut)
    FROM touched_place
    ARRAY JOIN [1, 10000, 1000000, 100000000, 10000000000] AS cut
    WHERE run = %(run)s AND minute >= now() - INTERVAL 10 DAY)
GROUP BY region, minute, channel
