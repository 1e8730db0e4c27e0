-- When sources first and last spoke of each region, and up to when they vouch, in milliseconds.
SELECT
    region,
    source,
    toUnixTimestamp64Milli(min(s.first_at)) AS first_at,
    toUnixTimestamp64Milli(max(s.reported_at)) AS reported_at,
    toUnixTimestamp64Milli(max(s.complete_until)) AS complete_until
FROM source_stand AS s
GROUP BY region, source
