-- The same days of the districts, summed from the newest rows of their villages. One condition, in the words of the key:
-- by it they are looked up, and further ones, for the villages and the days by themselves, cost a statement with one event
-- half of its time.
INSERT INTO coverage_day (region, day, active_change, activated, deactivated, moved_in, moved_out, version)
SELECT
    intDiv(region, 10000) AS district,
    day,
    sum(active_change),
    sum(activated),
    sum(deactivated),
    sum(moved_in),
    sum(moved_out),
    sum(version)
FROM
(
-- include newest
    WHERE (toStartOfMonth(day), intDiv(region, 10000), day) IN (
        SELECT toStartOfMonth(day), intDiv(village, 10000), day FROM touched_day WHERE run = %(run)s)
    ORDER BY region, day, version DESC
    LIMIT 1 BY region, day
)
GROUP BY district, day
