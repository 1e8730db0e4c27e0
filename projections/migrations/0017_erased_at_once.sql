-- An erasure names its rows in a patch instead of writing every part of the table anew, which took seconds in each
-- recompute and kept it waiting for merges. A patch finds a row by these two numbers when its part was merged.
ALTER TABLE activation_event MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1;
ALTER TABLE person_day MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1;
