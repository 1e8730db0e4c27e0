-- Notes the minutes of events that are about to go, wherever they stand.
INSERT INTO touched_minute (run, minute, domicile)
SELECT %(run)s, toStartOfMinute(occurred_at), domicile
FROM activation_event
WHERE lower(hex(event_id)) IN %(hex)s
UNION ALL
SELECT %(run)s, toStartOfMinute(occurred_at), domicile
FROM activity
WHERE lower(hex(event_id)) IN %(hex)s
