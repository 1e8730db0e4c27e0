-- The same days one level up, summed from the children. `cut` takes a village's code to its ancestor's on that level.
INSERT INTO coverage_day (region, day, active_change, activated, deactivated, moved_in, moved_out, version)
SELECT parent, day, sum(active_change), sum(activated), sum(deactivated), sum(moved_in), sum(moved_out), sum(version)
FROM (SELECT *, if(region >= 1000000, intDiv(region, 10000), intDiv(region, 100)) AS parent FROM coverage_day FINAL)
WHERE region IN (
        SELECT code FROM region
        WHERE parent IN (SELECT intDiv(village, %(cut)s) FROM touched_day WHERE run = %(run)s))
    AND (parent, day) IN (SELECT intDiv(village, %(cut)s), day FROM touched_day WHERE run = %(run)s)
GROUP BY parent, day
