-- What is parked of one webhook, in the order of the log.
SELECT topic, partition, offset, event_id, reason, attempts, parked_at
FROM webhook_parked FINAL
WHERE name = %(name)s AND NOT settled
ORDER BY topic, partition, offset
