-- Records of the log that count: those of a topic that are no dead letters.
said AS
(
    SELECT DISTINCT region, day, event_id, partition, offset
    FROM logged
    {where} AND topic = %(topic)s
        AND (partition, offset) NOT IN (
            SELECT toUInt32(partition), toUInt64(offset) FROM dead_letter WHERE topic = %(topic)s)
)
