-- What was held, of each region within one (its code is `prefix`, empty for the nation) and of those above it, what was held
-- in the regions within them included. Yield is of those since `first` of which staff and hours are known; `last` is of all.
SELECT
    place,
    max(toDate(occurred_at, 'Asia/Jakarta')) AS last,
    countIf(counted) AS visits,
    sumIf(h.activated, counted) AS activated,
    sumIf(h.team_size * h.hours, counted) AS staff_hours
FROM
(
    SELECT
        *,
        toDate(occurred_at, 'Asia/Jakarta') >= %(first)s AND team_size > 0 AND hours > 0 AS counted
    FROM outreach_event FINAL
    WHERE type = 'OutreachHeld' AND toDate(occurred_at, 'Asia/Jakarta') <= %(today)s
) AS h
ARRAY JOIN arrayDistinct(multiIf(
    service_region >= 1000000000, [
        service_region, intDiv(service_region, 10000), intDiv(service_region, 1000000), intDiv(service_region, 100000000), 0],
    service_region >= 100000, [service_region, intDiv(service_region, 100), intDiv(service_region, 10000), 0],
    service_region >= 1000, [service_region, intDiv(service_region, 100), 0],
    [service_region, 0])) AS place
WHERE place IN %(above)s OR startsWith(toString(place), %(prefix)s)
GROUP BY place
