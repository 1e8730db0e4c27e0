-- Every target there is, in the order in which later ones take the place of earlier ones.
SELECT region, basis, ratio, valid_from, valid_to, origin, toUnixTimestamp64Milli(recorded_at) AS recorded_ms
FROM target FINAL
ORDER BY region, valid_from, recorded_at, event_id
