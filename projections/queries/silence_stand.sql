-- When each source last spoke of each region within one, of the region itself and of those above it, and up to when it has
-- sent everything. Times in milliseconds. Read by key; the levels within are ranges, see `ranges_within`. Where a report
-- is dated after now, the reports before it are read.
WITH
stands AS
(
    SELECT
        source,
        region,
        toUnixTimestamp64Milli(max(s.reported_at)) AS reported_ms,
        toUnixTimestamp64Milli(max(s.complete_until)) AS complete_ms
    FROM source_stand AS s
    WHERE region IN %(above)s
        OR region BETWEEN %(low_2)s AND %(high_2)s
        OR region BETWEEN %(low_4)s AND %(high_4)s
        OR region BETWEEN %(low_6)s AND %(high_6)s
        OR region BETWEEN %(low_10)s AND %(high_10)s
    GROUP BY source, region
)
SELECT source, region, reported_ms, complete_ms
FROM stands
WHERE reported_ms <= %(now_ms)s
UNION ALL
SELECT
    source,
    region,
    toUnixTimestamp64Milli(max(r.occurred_at)),
    toUnixTimestamp64Milli(max(r.complete_until))
FROM source_report AS r
WHERE (region, source) IN (SELECT region, source FROM stands WHERE reported_ms > %(now_ms)s)
    AND toUnixTimestamp64Milli(r.occurred_at) <= %(now_ms)s
GROUP BY source, region
