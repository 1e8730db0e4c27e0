-- Notes the offices, days and minutes of events that are about to go, wherever they stand.
INSERT INTO touched_place (run, day, service_region, minute, domicile)
SELECT %(run)s, toDate(occurred_at, 'Asia/Jakarta'), service_region, toStartOfMinute(occurred_at), domicile
FROM activation_event
WHERE lower(hex(event_id)) IN %(hex)s
UNION ALL
SELECT %(run)s, day, service_region, toStartOfMinute(occurred_at), domicile
FROM activity
WHERE lower(hex(event_id)) IN %(hex)s
