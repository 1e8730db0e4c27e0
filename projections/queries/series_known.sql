-- What changed in a region, from the events that were written down by some time: a row for every day that they name in
-- it. Villages of the region lie from `low` to `high`; people are found and read as in `coverage_known`.
WITH
moves AS
(
    SELECT subject_id, occurred_at, event_id, type, domicile
    FROM activation_event FINAL
    WHERE toUnixTimestamp64Milli(recorded_at) <= %(known_ms)s
        AND (%(region)s = 0 OR subject_id IN (
            SELECT subject_id FROM person_day WHERE village BETWEEN %(low)s AND %(high)s AND %(region)s != 0))
),
-- include lives
,
-- include changes
SELECT
    day AS start,
    sum(c.active_change) AS active_change,
    sum(c.activated) AS activated,
    sum(c.deactivated) AS deactivated,
    sum(c.moved_in) AS moved_in,
    sum(c.moved_out) AS moved_out
FROM changes AS c
WHERE village BETWEEN %(low)s AND %(high)s
GROUP BY day
ORDER BY day
SETTINGS optimize_aggregation_in_order = 1
