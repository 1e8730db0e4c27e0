-- What holds on a day for some regions: for each basis the latest count, published and estimated apart, and the first
-- vintage there is; for each region its target. Of several, the one recorded last. All of what was recorded by a time.
SELECT
    'denominator' AS kind,
    d.region AS region,
    d.basis AS basis,
    d.method != '' AS estimated,
    countIf(d.vintage <= toDate32(%(as_of)s)) > 0 AS holds,
    toFloat64(argMaxIf(d.value, (d.vintage, d.recorded_at, d.event_id), d.vintage <= toDate32(%(as_of)s))) AS amount,
    maxIf(d.vintage, d.vintage <= toDate32(%(as_of)s)) AS since,
    CAST(NULL, 'Nullable(Date32)') AS until,
    min(d.vintage) AS first,
    argMaxIf(d.origin, (d.vintage, d.recorded_at, d.event_id), d.vintage <= toDate32(%(as_of)s)) AS origin,
    argMaxIf(d.method, (d.vintage, d.recorded_at, d.event_id), d.vintage <= toDate32(%(as_of)s)) AS method
FROM denominator AS d
WHERE d.region IN %(regions)s AND toUnixTimestamp64Milli(d.recorded_at) <= %(known_ms)s
GROUP BY d.region, d.basis, estimated
UNION ALL
SELECT
    'target', region, basis, false, true, ratio, valid_from, valid_to, valid_from, origin, ''
FROM
(
    SELECT *
    FROM
    (
        -- A target issued again, say with an end, takes the place of the one before it.
        SELECT *
        FROM target
        WHERE region IN %(regions)s
            AND valid_from <= toDate32(%(as_of)s)
            AND toUnixTimestamp64Milli(recorded_at) <= %(known_ms)s
        ORDER BY recorded_at DESC, event_id DESC
        LIMIT 1 BY region, valid_from
    )
    WHERE valid_to IS NULL OR valid_to >= toDate32(%(as_of)s)
    ORDER BY valid_from DESC
    LIMIT 1 BY region
)
