-- Which table it is: a rebuild marks the one that it puts in place.
SELECT comment AS mark FROM system.tables WHERE database = currentDatabase() AND name = 'coverage_day'
