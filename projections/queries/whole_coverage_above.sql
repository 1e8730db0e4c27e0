-- All days of regencies, provinces and the nation, summed from all districts.
INSERT INTO coverage_day (region, day, active_change, activated, deactivated, moved_in, moved_out, version)
SELECT above, day,
    sum(active_change), sum(activated), sum(deactivated), sum(moved_in), sum(moved_out), sum(version)
FROM coverage_day FINAL
ARRAY JOIN [intDiv(region, 100), intDiv(region, 10000), 0] AS above
WHERE region BETWEEN 100000 AND 999999
GROUP BY above, day
