-- Distinct people active and living in a region at the end of a day, from their events.
SELECT countIf(active AND home BETWEEN %(low)s AND %(high)s) AS people
FROM
(
    SELECT
        argMaxIf(type = 'Activated', occurred_at, type IN ('Activated', 'Deactivated')) AS active,
        argMaxIf(domicile, occurred_at, type IN ('Activated', 'SubjectArrived')) AS home
    FROM activation_event
    WHERE occurred_at < toDateTime(%(end)s, 'Asia/Jakarta')
    GROUP BY subject_id
)
SETTINGS optimize_aggregation_in_order = 1
