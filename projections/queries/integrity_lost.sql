-- The records of a slice that integrity_window misses.
WITH slice AS (SELECT * FROM auditing WHERE run = %(run)s AND topic = %(topic)s)
SELECT event_id, region, day, toInt32(partition) AS partition, toInt64(offset) AS offset
FROM slice AS s
WHERE (s.partition, s.offset) NOT IN (
        SELECT toUInt32(partition), toUInt64(offset) FROM dead_letter WHERE topic = %(topic)s)
    AND (region, day, event_id) NOT IN (SELECT region, day, event_id FROM ({held}))
ORDER BY partition, offset
LIMIT %(most)s
