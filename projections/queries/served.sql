-- Activations by the office where they were made and by where the person lives: those made by offices of a region, and
-- those of its residents. Villages of the region lie from `low` to `high`; `width` cuts a village to the part of the
-- region that it lies in, and `part` 0 is outside it. An office may stand at any level: the levels within are ranges, see
-- `ranges_within`.
-- An event that came twice has the same day and office, so it is counted once within them: no FINAL, which would merge
-- all that is not asked for, and in the key's order, so that memory holds an office's day at a time.
-- Read by the days asked for: residents may have been served anywhere.
SELECT office, part, sum(events) AS activations
FROM
(
    SELECT
        service_region AS office,
        if(domicile BETWEEN %(low)s AND %(high)s, intDiv(domicile, %(width)s), 0) AS part,
        uniqExact(event_id) AS events
    FROM activity
    PREWHERE day BETWEEN toDate32(%(first)s) AND toDate32(%(last)s) AND type = 'Activated'
        AND (domicile BETWEEN %(low)s AND %(high)s
            OR service_region = %(region)s
            OR service_region BETWEEN %(low_2)s AND %(high_2)s
            OR service_region BETWEEN %(low_4)s AND %(high_4)s
            OR service_region BETWEEN %(low_6)s AND %(high_6)s
            OR service_region BETWEEN %(low_10)s AND %(high_10)s)
    GROUP BY day, office, part
    SETTINGS optimize_aggregation_in_order = 1
)
GROUP BY office, part
ORDER BY office, part
