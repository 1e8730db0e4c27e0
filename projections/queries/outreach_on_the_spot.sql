-- Activations that name the activity they came from, by activity, wherever the people live. The event base is sorted by
-- person: this reads two narrow columns of all of it. Without FINAL: an event is counted once by its id.
SELECT lower(hex(outreach_id)) AS outreach, uniqExact(event_id) AS activated
FROM activation_event
PREWHERE outreach_id IN (
    SELECT outreach_id
    FROM outreach_event
    WHERE type = 'OutreachHeld' AND startsWith(toString(service_region), %(prefix)s)
        AND toDate(occurred_at, 'Asia/Jakarta') BETWEEN %(first)s AND %(last)s)
WHERE type = 'Activated'
GROUP BY outreach
