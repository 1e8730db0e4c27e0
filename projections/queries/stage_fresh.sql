-- How many events there are to be staged.
WITH
-- include fresh
SELECT count() AS events FROM fresh
SETTINGS max_threads = 1
