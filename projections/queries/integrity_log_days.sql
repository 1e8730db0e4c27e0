-- Events of the log by day, dead letters left out: how many, and the digest of their ids.
SELECT day, count() AS events, {digest} AS digest
FROM
(
    SELECT DISTINCT region, day, event_id
    FROM logged
    {where} AND topic = %(topic)s
        AND (partition, offset) NOT IN (
            SELECT toUInt32(partition), toUInt64(offset) FROM dead_letter WHERE topic = %(topic)s)
)
GROUP BY day
ORDER BY day
