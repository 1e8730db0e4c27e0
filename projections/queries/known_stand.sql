-- The event base as it is. `mark`: a rebuild marks the table that it puts in place. `newest`: its highest block. `fresh`:
-- events in parts that hold a block behind `seen`.
SELECT
    (SELECT any(comment) FROM system.tables WHERE database = currentDatabase() AND name = 'activation_event') AS mark,
    toInt64(max(max_block_number)) AS newest,
    sum(rows) AS events,
    sumIf(rows, max_block_number > %(seen)s) AS fresh
FROM system.parts
WHERE active AND database = currentDatabase() AND table = 'activation_event' AND NOT startsWith(name, 'patch-')
SETTINGS max_threads = 1
