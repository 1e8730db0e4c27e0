-- Records of a slice, dead letters left out, whose event a table holds in the region and on the day that the log says.
WITH slice AS (SELECT * FROM auditing WHERE run = %(run)s AND topic = %(topic)s)
SELECT partition, count() AS events, {digest} AS digest
FROM slice
WHERE (partition, offset) NOT IN (
        SELECT toUInt32(partition), toUInt64(offset) FROM dead_letter WHERE topic = %(topic)s)
    AND (region, day, event_id) IN (SELECT region, day, event_id FROM ({held}))
GROUP BY partition
