-- Regions with rows in blocks behind `seen`. A part is named all_LOWEST_HIGHEST_LEVEL by the blocks in it, so most are left
-- out unread; a row keeps the number of the block that it came in.
SELECT DISTINCT region
FROM coverage_day
WHERE toInt64(splitByChar('_', _part)[3]) > %(seen)s AND _block_number > %(seen)s
