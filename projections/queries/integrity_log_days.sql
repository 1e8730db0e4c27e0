-- Events of the log by day: how many, and the digest of their ids.
WITH
-- include said
SELECT day, count() AS events, {digest} AS digest
FROM (SELECT DISTINCT region, day, event_id FROM said)
GROUP BY day
ORDER BY day
