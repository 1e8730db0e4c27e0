-- Records of a slice that count: those that are no dead letters.
slice AS
(
    SELECT region, day, event_id, subject_id, partition, offset
    FROM log_slice
    WHERE run = %(run)s AND topic = %(topic)s
        AND (partition, offset) NOT IN (
            SELECT toUInt32(partition), toUInt64(offset) FROM dead_letter WHERE topic = %(topic)s)
)
