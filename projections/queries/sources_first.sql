-- Since when some source has spoken for each region.
SELECT region, toUnixTimestamp64Milli(min(occurred_at)) AS first_ms
FROM source_report
GROUP BY region
