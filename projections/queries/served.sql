-- Activations by the office where they were made and by where the person lives: those made by offices of a region, and
-- those of its residents. Villages of the region lie from `low` to `high`; `width` cuts a village to the part of the
-- region that it lies in, and `part` 0 is outside it. An office may stand at any level: the levels within are ranges, see
-- `ranges_within`.
-- Read by the days asked for: residents may have been served anywhere.
SELECT
    service_region AS office,
    if(domicile BETWEEN %(low)s AND %(high)s, intDiv(domicile, %(width)s), 0) AS part,
    count() AS activations
FROM activated_event FINAL
WHERE day BETWEEN toDate32(%(first)s) AND toDate32(%(last)s)
    AND (domicile BETWEEN %(low)s AND %(high)s
        OR service_region = %(region)s
        OR service_region BETWEEN %(low_2)s AND %(high_2)s
        OR service_region BETWEEN %(low_4)s AND %(high_4)s
        OR service_region BETWEEN %(low_6)s AND %(high_6)s
        OR service_region BETWEEN %(low_10)s AND %(high_10)s)
GROUP BY office, part
ORDER BY office, part
