-- Refused records and what became of them, the newest first. An empty text or -1 selects all.
SELECT
    lower(hex(event_id)) AS id,
    topic,
    partition,
    offset,
    arrived_at,
    reason,
    kind,
    type,
    source,
    size,
    status,
    decided_at,
    decision_reason,
    sent_partition,
    sent_offset,
    origin_partition,
    origin_offset
FROM dead_letter_now
WHERE (%(topic)s = '' OR topic = %(topic)s)
    AND (%(source)s = '' OR source = %(source)s)
    AND (%(status)s = '' OR status = %(status)s)
    AND (%(reason)s = '' OR positionCaseInsensitiveUTF8(reason, %(reason)s) > 0)
    AND (%(partition)s = -1 OR partition = %(partition)s)
    AND (%(offset)s = -1 OR offset = %(offset)s)
    AND (%(event_id)s = '' OR lower(hex(event_id)) = %(event_id)s)
ORDER BY arrived_at DESC, topic, partition, offset DESC
LIMIT %(limit)s
