-- A count and a digest of activations, by village and day.
SELECT
    domicile AS region,
    day,
    count() AS count,
    groupBitXor(reinterpretAsUInt64(substring(MD5(concatWithSeparator('|',
        lower(hex(event_id)), toString(toUnixTimestamp64Milli(recorded_at)), toString(service_region),
        lower(hex(outreach_id)))), 1, 8))) AS digest
FROM activated_event FINAL
GROUP BY region, day
