-- Since when some source has spoken for each region, and up to when one vouches that it has sent everything.
SELECT
    region,
    toUnixTimestamp64Milli(min(first_at)) AS first_ms,
    toUnixTimestamp64Milli(max(complete_until)) AS until_ms
FROM source_stand
GROUP BY region
