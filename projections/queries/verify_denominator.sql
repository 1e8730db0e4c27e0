SELECT
    region,
    toDate(vintage) AS day,
    count() AS count,
    groupBitXor(reinterpretAsUInt64(substring(MD5(concatWithSeparator('|',
        lower(hex(event_id)), toString(toUnixTimestamp64Milli(recorded_at)), source, basis, toString(value), origin,
        method)), 1, 8))) AS digest
FROM denominator FINAL
GROUP BY region, day
