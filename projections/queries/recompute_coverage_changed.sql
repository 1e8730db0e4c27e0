-- Touched villages and the regions above them: their answers may have changed.
INSERT INTO coverage_changed (run, region)
SELECT DISTINCT
    run,
    arrayJoin([village, intDiv(village, 10000), intDiv(village, 1000000), intDiv(village, 100000000), 0]) AS region
FROM touched_day
WHERE run = %(run)s
