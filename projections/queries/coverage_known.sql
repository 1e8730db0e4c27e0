-- People with an active IKD at the end of a day, from the events that were written down by some time. A row for each
-- region that they name: those within one, whose villages lie from `low` to `high`, on the level that `cut` takes a
-- village's code to.
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
    region,
    sum(arraySum(
        (d, a, b, x, y) -> if(d <= toDate32(%(as_of)s),
            (b BETWEEN %(low)s AND %(high)s AND intDiv(b, %(cut)s) = region AND y)
            - (a BETWEEN %(low)s AND %(high)s AND intDiv(a, %(cut)s) = region AND x), 0),
        days, d0, d1, s0, s1)) AS active
FROM lives
ARRAY JOIN arrayDistinct(
    arrayMap(v -> intDiv(v, %(cut)s), arrayFilter(v -> v BETWEEN %(low)s AND %(high)s, named))) AS region
GROUP BY region
SETTINGS optimize_aggregation_in_order = 1
