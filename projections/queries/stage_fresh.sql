-- How many events there are to be staged.
WITH
-- include fresh
SELECT count() AS events FROM fresh
SETTINGS apply_patch_parts = 0, max_threads = 1
