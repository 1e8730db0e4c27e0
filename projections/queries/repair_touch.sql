-- Notes what events touch that are about to go.
INSERT INTO touched (run, subject_id, domicile, service_region, occurred_at, moves_count)
SELECT %(run)s, subject_id, domicile, service_region, occurred_at, true
FROM activation_event
WHERE lower(hex(event_id)) IN %(hex)s
UNION ALL
SELECT %(run)s, toFixedString('', 16), domicile, service_region, occurred_at, false
FROM activity
WHERE lower(hex(event_id)) IN %(hex)s
