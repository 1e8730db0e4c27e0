-- Regions and days of which log and table hold other sets of events, by count and order-free digest.
WITH
-- include said
SELECT region, day
FROM
(
    SELECT 'log' AS side, region, day, count() AS events, {digest} AS digest
    FROM (SELECT DISTINCT region, day, event_id FROM said)
    GROUP BY region, day
    UNION ALL
    SELECT 'table' AS side, region, day, count() AS events, {digest} AS digest
    FROM (SELECT DISTINCT region, day, event_id, copy FROM ({held}))
    GROUP BY region, day
)
GROUP BY region, day
HAVING count() < 2 OR uniqExact((events, digest)) > 1
ORDER BY region, day
LIMIT %(most)s
