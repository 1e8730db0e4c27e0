-- Outreach held within a region on some days. `prefix` is the region's code, with which codes within it begin; empty for the
-- nation.
WITH
-- include reports
,
-- include visits
SELECT lower(hex(outreach_id)) AS outreach_id, region, day, kind, staff_hours, activated AS reported
FROM visits
WHERE startsWith(toString(region), %(prefix)s) AND day BETWEEN %(first)s AND %(last)s
ORDER BY day, visits.outreach_id
