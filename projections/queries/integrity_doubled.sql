-- Events that a table holds twice, because something beside their id differs. With the first record of each in the log.
SELECT
    'doubled' AS kind,
    event_id,
    region,
    day,
    toInt32(argMin(l.partition, l.offset)) AS partition,
    toInt64(min(l.offset)) AS offset
FROM logged AS l
{where} AND topic = %(topic)s
    AND (region, day, event_id) IN (
        SELECT region, day, event_id FROM ({held}) GROUP BY region, day, event_id HAVING uniqExact(copy) > 1)
GROUP BY event_id, region, day
ORDER BY event_id
LIMIT %(most)s
