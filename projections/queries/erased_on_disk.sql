-- Tables with parts that still have erased rows in their files, hidden by a mask or by a patch, since so many seconds.
SELECT DISTINCT p.table AS table
FROM system.parts AS p
WHERE p.active AND p.database = currentDatabase() AND p.rows > 0
    AND (p.has_lightweight_delete OR startsWith(p.name, 'patch-'))
    AND p.modification_time <= now() - toIntervalSecond(%(older_than)s)
ORDER BY table
