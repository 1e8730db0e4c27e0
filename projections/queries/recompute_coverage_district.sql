-- The same days of the districts, summed from the newest rows of their villages. One condition, in the words of the key:
-- by it they are looked up, and further ones, for the villages and the days by themselves, cost a statement with one event
-- half of its time.
INSERT INTO coverage_day (region, day, active_change, activated, deactivated, moved_in, moved_out, version)
SELECT intDiv(region, 10000) AS district, day, sum(last.1), sum(last.2), sum(last.3), sum(last.4), sum(last.5), sum(newest)
FROM
(
-- include newest
    WHERE (toStartOfMonth(day), intDiv(region, 10000), day) IN (
        SELECT toStartOfMonth(day), intDiv(village, 10000), day FROM touched_day WHERE run = %(run)s)
    GROUP BY region, day
)
GROUP BY district, day
