-- The newest row of each region and day; what follows says of which, and ends with GROUP BY region, day.
    SELECT
        region,
        day,
        max(version) AS newest,
        argMax((active_change, activated, deactivated, moved_in, moved_out), version) AS last
    FROM coverage_day
