-- Activations that name an activity reported within a region, by activity, wherever the people live; from a week before the
-- first day asked for, since a report of several days carries one of them.
WITH
-- include reports
SELECT lower(hex(outreach_id)) AS outreach, count() AS activated
FROM activated_event FINAL
WHERE day >= toDate32(%(first)s) - 7 AND outreach_id IN (SELECT outreach_id FROM reports WHERE type = 'OutreachHeld')
GROUP BY outreach
