-- The same days of regencies, provinces and the nation at once, summed from the newest rows of all districts: these stand
-- side by side, and a statement a level took four times as long. Whoever writes a district later finds those written by
-- now, so of two workers one has both in its sums, and more events make the higher version.
INSERT INTO coverage_day (region, day, active_change, activated, deactivated, moved_in, moved_out, version)
WITH
districts AS
(
-- include newest
    WHERE (toStartOfMonth(day), day) IN (SELECT toStartOfMonth(day), day FROM touched_day WHERE run = %(run)s)
        AND region BETWEEN 100000 AND 999999
    ORDER BY region, day, version DESC
    LIMIT 1 BY region, day
),
regencies AS
(
    SELECT
        intDiv(region, 100) AS regency,
        day,
        sum(active_change) AS change,
        sum(activated) AS came,
        sum(deactivated) AS went,
        sum(moved_in) AS into,
        sum(moved_out) AS out,
        sum(version) AS counted
    FROM districts
    GROUP BY regency, day
)
SELECT above, day, sum(change), sum(came), sum(went), sum(into), sum(out), sum(counted)
FROM regencies
ARRAY JOIN [regency, intDiv(regency, 100), 0] AS above
WHERE (above, day) IN (
    SELECT arrayJoin([intDiv(village, 1000000), intDiv(village, 100000000), 0]), day FROM touched_day WHERE run = %(run)s)
GROUP BY above, day
