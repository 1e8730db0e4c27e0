-- Refused records counted by what they share, the largest group first.
SELECT
    topic,
    kind,
    source,
    status,
    count() AS letters,
    min(arrived_at) AS first_at,
    max(arrived_at) AS last_at
FROM dead_letter_now
WHERE (%(topic)s = '' OR topic = %(topic)s)
    AND (%(source)s = '' OR source = %(source)s)
    AND (%(status)s = '' OR status = %(status)s)
    AND (%(reason)s = '' OR positionCaseInsensitiveUTF8(reason, %(reason)s) > 0)
GROUP BY topic, kind, source, status
ORDER BY letters DESC, topic, kind, source, status
LIMIT %(limit)s
