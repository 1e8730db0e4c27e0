-- Records of a slice that are dead letters.
SELECT partition, offset
FROM log_slice
WHERE run = %(run)s AND topic = %(topic)s
    AND (partition, offset) IN (
        SELECT toUInt32(partition), toUInt64(offset) FROM dead_letter WHERE topic = %(topic)s)
