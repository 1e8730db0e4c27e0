-- Records of the log whose event a table does not hold in its region and on its day.
WITH
-- include said
SELECT
    'missing' AS kind,
    event_id,
    region,
    day,
    toInt32(s.partition) AS partition,
    toInt64(s.offset) AS offset
FROM said AS s
WHERE (region, day, event_id) NOT IN (SELECT region, day, event_id FROM ({held}))
ORDER BY partition, offset
LIMIT %(most)s
