-- Records of a slice whose event a table holds in the region and on the day that the log says.
WITH
-- include slice
SELECT partition, count() AS events, {digest} AS digest
FROM slice
WHERE (region, day, event_id) IN (SELECT region, day, event_id FROM ({held}))
GROUP BY partition
