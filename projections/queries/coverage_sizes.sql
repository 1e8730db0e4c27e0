-- How many rows the regions have that events have named; those not merged yet count more than once.
SELECT region, count() AS days
FROM coverage_day
GROUP BY region
SETTINGS max_threads = 1
