-- A row keeps the number of the block it was written in when parts are merged: who holds the table in memory then reads what
-- is new of a merged part, which may be most of the table, and not all of it.
ALTER TABLE coverage_day MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1;
