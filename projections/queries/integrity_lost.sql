-- The records of a slice that integrity_window misses.
WITH
-- include slice
SELECT event_id, region, day, toInt32(s.partition) AS partition, toInt64(s.offset) AS offset
FROM slice AS s
WHERE (region, day, event_id) NOT IN (SELECT region, day, event_id FROM ({held}))
ORDER BY partition, offset
LIMIT %(most)s
