-- Rows that a table holds by day: how many, and the digest of their ids.
SELECT day, count() AS events, {digest} AS digest
FROM (SELECT DISTINCT region, day, event_id, copy FROM ({held}))
GROUP BY day
ORDER BY day
