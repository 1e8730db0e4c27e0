-- Records of the log of some regions and days, dead letters left out.
SELECT DISTINCT partition, offset
FROM logged
WHERE topic = %(topic)s AND (region, day) IN %(pairs)s
    AND (partition, offset) NOT IN (
        SELECT toUInt32(partition), toUInt64(offset) FROM dead_letter WHERE topic = %(topic)s)
ORDER BY partition, offset
