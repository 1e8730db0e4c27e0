-- In some regions. Before FINAL, which may be: the region is in the key, so of equal rows all are left or none.
-- include counts
PREWHERE region IN %(regions)s
GROUP BY region
SETTINGS max_threads = 1
