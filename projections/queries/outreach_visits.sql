-- Outreach reported as held within a region, each activity once, as recorded last. `prefix` is the region's code; empty
-- for the nation. A code within a region begins with the region's.
SELECT
    lower(hex(o.outreach_id)) AS outreach_id,
    argMax(o.service_region, (o.recorded_at, o.event_id)) AS region,
    toDate(argMax(o.occurred_at, (o.recorded_at, o.event_id)), 'Asia/Jakarta') AS day,
    argMax(o.kind, (o.recorded_at, o.event_id)) AS kind,
    argMax(o.team_size * o.hours, (o.recorded_at, o.event_id)) AS staff_hours,
    argMax(o.activated, (o.recorded_at, o.event_id)) AS reported
FROM outreach_event AS o
WHERE type = 'OutreachHeld' AND startsWith(toString(o.service_region), %(prefix)s)
    AND toDate(o.occurred_at, 'Asia/Jakarta') BETWEEN %(first)s AND %(last)s
GROUP BY o.outreach_id
ORDER BY day, outreach_id
