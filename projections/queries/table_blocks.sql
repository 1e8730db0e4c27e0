-- What a table consists of. `newest`: the highest number of a block that was written to it; a block gets its number as it comes to be seen, so what comes later has a higher one, and a part keeps the
-- highest of those that it was merged from. `fresh`: rows of parts with a higher one than `seen`. The other columns
-- change when rows change or go that were there before: another table in its place (tables have folders of their own),
-- this one emptied, rows mended or deleted, of which a part takes the number, one part after the other.
WITH
    groupArray((max_block_number, if(data_version = min_block_number, 0, data_version))) AS parts,
    arrayMax(arrayMap(part -> part.2, parts)) AS mended
SELECT
    max(max_block_number) AS newest,
    sumIf(rows, max_block_number > %(seen)s) AS fresh,
    max(substring(path, 1, length(path) - length(name) - 1)) AS folder,
    minIf(min_block_number, rows > 0) AS oldest,
    mended,
    arrayCount(part -> part.1 < mended AND part.2 < mended, parts) AS to_mend
FROM system.parts
WHERE active AND database = currentDatabase() AND table = %(table)s
SETTINGS max_threads = 1
