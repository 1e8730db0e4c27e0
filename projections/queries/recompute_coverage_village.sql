-- Touched days of touched villages, summed from the people.
INSERT INTO coverage_day (region, day, active_change, activated, deactivated, moved_in, moved_out, version)
SELECT village, day, sum(active_change), sum(activated), sum(deactivated), sum(moved_in), sum(moved_out), sum(version)
FROM person_day FINAL
WHERE (village, day) IN (SELECT village, day FROM touched_day WHERE run = %(run)s)
GROUP BY village, day
