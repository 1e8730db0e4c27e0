-- Differences that still held when they were last looked at.
SELECT topic, kind, held_by, event_id, region, day, partition, offset, found_at
FROM integrity_difference FINAL
WHERE open
ORDER BY topic, partition, offset, event_id
