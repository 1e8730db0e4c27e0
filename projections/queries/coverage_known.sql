-- People with an active IKD in a region at the end of a day, from the events that were written down by some time, and
-- in how many people's events the region was named by then. Villages of the region lie from `low` to `high`.
-- Two times, because a restatement takes in late activations first and what amends them after: `activated_ms` for
-- Activated, `amended_ms` for all others.
-- By subject in the order of the base, so that memory holds one person at a time. For the nation everybody is read and
-- no set of subjects is built. FINAL: of two contents under one id only the one recorded last is kept, merged or not.
WITH
moves AS
(
    SELECT subject_id, occurred_at, event_id, type, domicile
    FROM activation_event FINAL
    WHERE toUnixTimestamp64Milli(recorded_at) <= if(type = 'Activated', %(activated_ms)s, %(amended_ms)s)
        AND (%(region)s = 0 OR subject_id IN (
            SELECT subject_id FROM person_day WHERE village BETWEEN %(low)s AND %(high)s AND %(region)s != 0))
),
-- include lives
SELECT
    countIf(arrayExists(v -> v BETWEEN %(low)s AND %(high)s, named)) AS naming,
    sum(arraySum(
        (d, a, b, x, y) -> if(d <= toDate32(%(as_of)s),
            (b BETWEEN %(low)s AND %(high)s AND y) - (a BETWEEN %(low)s AND %(high)s AND x), 0),
        days, d0, d1, s0, s1)) AS active
FROM lives
SETTINGS optimize_aggregation_in_order = 1
