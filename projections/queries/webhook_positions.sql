-- Where one webhook stands in one epoch.
SELECT topic, partition, max(p.position) AS position
FROM webhook_position AS p
WHERE name = %(name)s AND epoch = %(epoch)s
GROUP BY topic, partition
