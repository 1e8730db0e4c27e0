-- Notes the offices and days of events that are about to go, wherever they stand.
INSERT INTO touched_office (run, day, service_region)
SELECT %(run)s, toDate(occurred_at, 'Asia/Jakarta'), service_region
FROM activation_event
WHERE lower(hex(event_id)) IN %(hex)s
UNION ALL
SELECT %(run)s, day, service_region
FROM activity
WHERE lower(hex(event_id)) IN %(hex)s
