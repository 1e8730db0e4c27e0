-- What the auditor would have read of a log with all that a table holds, but for the places in it.
INSERT INTO logged (topic, region, day, event_id, partition, offset)
SELECT %(topic)s, region, day, event_id, 0, 0 FROM ({held})
