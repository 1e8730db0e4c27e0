-- What was held, of each region within one (its code is `prefix`, empty for the nation) and of those above it, what was held
-- in the regions within them included. Yield is of those since `first` of which staff and hours are known; `last` is of all.
WITH
reports AS (SELECT * FROM outreach_event),
again AS (SELECT outreach_id FROM reports WHERE type = 'OutreachHeld' GROUP BY outreach_id HAVING count() > 1)
,
-- include visits
SELECT
    place,
    max(day) AS last,
    countIf(counted) AS visits,
    sumIf(h.activated, counted) AS activated,
    sumIf(h.staff_hours, counted) AS staff_hours
FROM
(
    SELECT
        day,
        v.activated AS activated,
        staff_hours,
        day >= %(first)s AND staffed AS counted,
        arrayDistinct(multiIf(
            region >= 1000000000,
                [region, intDiv(region, 10000), intDiv(region, 1000000), intDiv(region, 100000000), 0],
            region >= 100000, [region, intDiv(region, 100), intDiv(region, 10000), 0],
            region >= 1000, [region, intDiv(region, 100), 0],
            [region, 0])) AS places,
        -- Of what was held outside, only what lies above both: most rows, and one or two places of each.
        if(startsWith(toString(region), %(prefix)s), places, arrayFilter(each -> each IN %(above)s, places)) AS counted_in
    FROM visits AS v
    WHERE day <= %(last)s
) AS h
ARRAY JOIN counted_in AS place
GROUP BY place
