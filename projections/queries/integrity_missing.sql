-- Records of the log, dead letters left out, whose event a table does not hold in its region and on its day.
SELECT DISTINCT
    'missing' AS kind,
    event_id,
    region,
    day,
    toInt32(partition) AS partition,
    toInt64(offset) AS offset
FROM logged AS l
{where} AND topic = %(topic)s
    AND (l.partition, l.offset) NOT IN (
        SELECT toUInt32(partition), toUInt64(offset) FROM dead_letter WHERE topic = %(topic)s)
    AND (region, day, event_id) NOT IN (SELECT region, day, event_id FROM ({held}))
ORDER BY partition, offset
LIMIT %(most)s
