-- A stretch of days, of villages and of all above them. Every row was written once, so there is nothing to leave out.
INSERT INTO coverage_day (region, day, active_change, activated, deactivated, moved_in, moved_out, version)
SELECT region, day, sum(p.active_change), sum(p.activated), sum(p.deactivated), sum(p.moved_in), sum(p.moved_out),
    sum(p.version)
FROM person_day AS p
ARRAY JOIN [village, intDiv(village, 10000), intDiv(village, 1000000), intDiv(village, 100000000), 0] AS region
WHERE day >= %(begin)s AND day < %(end)s
GROUP BY region, day
