-- A region's day as its newest row has it, with the number of events that it was counted from; what follows says of which
-- rows, and ends with GROUP BY region, day. By hand: FINAL would read and merge whole granules before it filters. Of rows
-- that count the same events the one written last.
SELECT
    region,
    toUInt16(day) AS number,
    max(version) AS counted,
    argMax((active_change, deactivated, moved_in, moved_out), (version, _block_number)) AS last,
    last.1 AS change,
    last.2 AS ended,
    last.3 AS came,
    last.4 AS went
FROM coverage_day
