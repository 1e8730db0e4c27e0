-- How many differences are open.
SELECT topic, kind, count() AS events
FROM integrity_difference FINAL
WHERE open
GROUP BY topic, kind
ORDER BY topic, kind
