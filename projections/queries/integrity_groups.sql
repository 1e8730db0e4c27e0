-- Open differences, those that lie together in one row.
SELECT
    topic,
    kind,
    held_by,
    region,
    day,
    partition,
    min(d.offset) AS first_offset,
    max(d.offset) AS last_offset,
    count() AS events,
    min(d.found_at) AS found_at
FROM (SELECT * FROM integrity_difference FINAL WHERE open) AS d
GROUP BY topic, kind, held_by, region, day, partition
ORDER BY events DESC, topic, partition, first_offset, region, day
LIMIT 1000
