-- In every region that events have named.
-- include counts
GROUP BY region
SETTINGS max_threads = 1
