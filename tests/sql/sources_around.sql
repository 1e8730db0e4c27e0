-- Which regions some source had spoken for by a time: above a region, the region itself, and all within it.
-- A code divided by a power of 100 (a village's by one more) is its ancestor's; other quotients are no region's code.
SELECT DISTINCT region
FROM source_report
WHERE toUnixTimestamp64Milli(occurred_at) <= %(known_ms)s
    AND (region IN %(chain)s
        OR %(region)s = 0
        OR intDiv(region, 100) = %(region)s
        OR intDiv(region, 10000) = %(region)s
        OR intDiv(region, 1000000) = %(region)s
        OR intDiv(region, 100000000) = %(region)s)
