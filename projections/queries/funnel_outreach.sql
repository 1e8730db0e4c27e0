-- What was reported of outreach within a region on some days: people met in what was held, and whom campaigns may have
-- reached. `prefix` is the region's code, with which codes within it begin; empty for the nation.
WITH
-- include reports
,
-- include visits
,
(
    SELECT (count(), sum(v.reached))
    FROM visits AS v
    WHERE startsWith(toString(region), %(prefix)s) AND day BETWEEN %(first)s AND %(last)s
) AS met
SELECT
    met.1 AS held,
    met.2 AS reached,
    countIf(type = 'CampaignPublished') AS campaigns,
    sumIf(r.reached, type = 'CampaignPublished') AS campaign_reach
FROM reports AS r
