-- All days of the villages between two codes, summed from the people. FINAL, since nearly all rows are wanted: a quarter of
-- what looking for the newest of each takes.
INSERT INTO coverage_day (region, day, active_change, activated, deactivated, moved_in, moved_out, version)
SELECT village, day, sum(active_change), sum(activated), sum(deactivated), sum(moved_in), sum(moved_out), sum(version)
FROM person_day FINAL
WHERE village BETWEEN %(low)s AND %(high)s
GROUP BY village, day
