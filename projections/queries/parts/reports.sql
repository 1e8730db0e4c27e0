-- Reports of outreach from a region and within it, on some days, and activities that were reported more than once. The
-- levels within are ranges, see `ranges_within`.
reports AS
(
    SELECT *
    FROM outreach_event FINAL
    WHERE (service_region = %(region)s
            OR service_region BETWEEN %(low_2)s AND %(high_2)s
            OR service_region BETWEEN %(low_4)s AND %(high_4)s
            OR service_region BETWEEN %(low_6)s AND %(high_6)s
            OR service_region BETWEEN %(low_10)s AND %(high_10)s)
        AND toDate(occurred_at, 'Asia/Jakarta') BETWEEN %(first)s AND %(last)s
),
again AS
(
    SELECT outreach_id
    FROM outreach_event
    WHERE type = 'OutreachHeld' AND outreach_id IN (SELECT outreach_id FROM reports)
    GROUP BY outreach_id
    HAVING count() > 1
)
