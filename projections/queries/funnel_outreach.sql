-- What was reported of outreach within a region: people met in what was held, and whom campaigns may have reached.
-- `prefix` is the region's code; empty for the nation. A code within a region begins with the region's.
SELECT
    countIf(type = 'OutreachHeld') AS held,
    sumIf(o.reached, type = 'OutreachHeld') AS reached,
    countIf(type = 'CampaignPublished') AS campaigns,
    sumIf(o.reached, type = 'CampaignPublished') AS campaign_reach
FROM outreach_event AS o FINAL
WHERE toDate(occurred_at, 'Asia/Jakarta') BETWEEN %(first)s AND %(last)s
    AND startsWith(toString(service_region), %(prefix)s)
