-- All days of the districts, summed from their villages between two codes.
INSERT INTO coverage_day (region, day, active_change, activated, deactivated, moved_in, moved_out, version)
SELECT intDiv(region, 10000) AS district, day,
    sum(active_change), sum(activated), sum(deactivated), sum(moved_in), sum(moved_out), sum(version)
FROM coverage_day FINAL
WHERE region BETWEEN %(low)s AND %(high)s
GROUP BY district, day
