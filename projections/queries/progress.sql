-- How much of the log is in the answers, all partitions together, and whether a worker has just said so.
SELECT
    sum(position) AS position,
    sum(head) AS head,
    count() > 0 AND min(checked_at) > now64(3) - INTERVAL 3 SECOND AS fresh
FROM
(
    SELECT topic, partition, max(p.position) AS position, argMax(p.head, p.checked_at) AS head, max(p.checked_at) AS checked_at
    FROM position AS p
    GROUP BY topic, partition
)
