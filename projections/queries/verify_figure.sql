SELECT
    region,
    toDate(reported_on) AS day,
    count() AS count,
    groupBitXor(reinterpretAsUInt64(substring(MD5(concatWithSeparator('|',
        lower(hex(event_id)), toString(toUnixTimestamp64Milli(recorded_at)), source, printed, claim, basis,
        origin)), 1, 8))) AS digest
FROM figure FINAL
GROUP BY region, day
