-- Notes all offices and days, and all minutes that are kept up. Grouped, and not DISTINCT: of 4 million events that took
-- 6.6 s of CPU where this takes 0.3.
INSERT INTO touched_place (run, day, service_region, minute, domicile)
WITH occurred_at >= now() - INTERVAL 10 DAY AS late
SELECT
    %(run)s,
    day,
    service_region,
    if(late, toStartOfMinute(occurred_at), toDateTime(0, 'UTC')) AS minute,
    if(late, activity.domicile, 0) AS village
FROM activity
GROUP BY day, service_region, minute, village
