-- The newest row of each region and day, by sorting: argMax of a tuple keeps an object a row, and took twice as long of
-- thousands of districts. What follows says of which, and ends with
-- ORDER BY region, day, version DESC LIMIT 1 BY region, day.
    SELECT region, day, active_change, activated, deactivated, moved_in, moved_out, version
    FROM coverage_day
