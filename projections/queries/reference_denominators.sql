-- Every count there is, in the order in which later ones take the place of earlier ones. Days count from 1970.
SELECT
    region,
    toInt32(vintage) AS day,
    toUnixTimestamp64Milli(recorded_at) AS recorded_ms,
    value,
    basis,
    origin,
    method
FROM denominator FINAL
ORDER BY region, vintage, recorded_at, event_id
