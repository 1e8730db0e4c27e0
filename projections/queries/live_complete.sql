-- Up to when sources vouch that they have sent everything, by the region they speak for: of a region's ancestors and of
-- all within it, from reports since a moment. `ranges` are the lowest and highest code of each level within.
SELECT region, toUnixTimestamp64Milli(max(complete_until)) AS until_ms
FROM source_report
WHERE occurred_at >= fromUnixTimestamp64Milli(toInt64(%(since_ms)s), 'UTC')
    AND (region IN %(above)s
        OR region BETWEEN %(low_2)s AND %(high_2)s
        OR region BETWEEN %(low_4)s AND %(high_4)s
        OR region BETWEEN %(low_6)s AND %(high_6)s
        OR region BETWEEN %(low_10)s AND %(high_10)s)
GROUP BY region
