-- Activations that name an activity reported within a region, by activity, wherever the people live; from a week before the
-- first day asked for, since a report of several days carries one of them. Without FINAL, which would merge all of these
-- days: of those found by the one column, all that was sent under their ids is read by key, and what was recorded last holds.
WITH
-- include reports
,
asked AS (SELECT outreach_id FROM reports WHERE type = 'OutreachHeld')
SELECT lower(hex(named)) AS outreach, count() AS activated
FROM
(
    SELECT argMax(a.outreach_id, a.recorded_at) AS named
    FROM activated_event AS a
    WHERE (day, domicile, event_id) IN (
        SELECT day, domicile, event_id
        FROM activated_event
        PREWHERE day >= toDate32(%(first)s) - 7 AND outreach_id IN (SELECT outreach_id FROM asked))
    GROUP BY day, domicile, event_id
)
WHERE named IN (SELECT outreach_id FROM asked)
GROUP BY outreach
