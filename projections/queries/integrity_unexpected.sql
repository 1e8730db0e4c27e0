-- Events that a table holds in a region and on a day, and the log, as far as it was read, has not.
SELECT DISTINCT
    'unexpected' AS kind,
    event_id,
    region,
    day,
    toInt32(-1) AS partition,
    toInt64(-1) AS offset
FROM ({held})
WHERE (region, day, event_id) NOT IN (SELECT region, day, event_id FROM logged {where} AND topic = %(topic)s)
ORDER BY event_id
LIMIT %(most)s
