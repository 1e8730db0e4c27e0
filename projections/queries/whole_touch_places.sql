-- Notes all offices and days, and all minutes that are kept up.
INSERT INTO touched_place (run, day, service_region, minute, domicile)
WITH occurred_at >= now() - INTERVAL 10 DAY AS late
SELECT DISTINCT
    %(run)s,
    day,
    service_region,
    if(late, toStartOfMinute(occurred_at), toDateTime(0, 'UTC')),
    if(late, activity.domicile, 0)
FROM activity
