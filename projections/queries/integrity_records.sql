-- Where the records of some regions and days stand in the log.
WITH
-- include said
SELECT partition, offset
FROM said
ORDER BY partition, offset
