SELECT topic, partition, max(p.position) AS position FROM position AS p GROUP BY topic, partition ORDER BY topic, partition
