-- What some tables consist of: a row a part. The path ends with the part's name.
SELECT table, path, rows, min_block_number, max_block_number, data_version
FROM system.parts
WHERE active AND database = currentDatabase() AND table IN %(tables)s
SETTINGS max_threads = 1
