-- When each source last reported about each region that it speaks for, of reports since a moment. Milliseconds.
SELECT source, region, max(toUnixTimestamp64Milli(occurred_at)) AS reported_ms
FROM source_report
WHERE occurred_at >= fromUnixTimestamp64Milli(toInt64(%(since_ms)s), 'UTC')
GROUP BY region, source
