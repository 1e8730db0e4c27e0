SELECT
    region,
    toDate(valid_from) AS day,
    count() AS count,
    groupBitXor(reinterpretAsUInt64(substring(MD5(concatWithSeparator('|',
        lower(hex(event_id)), toString(toUnixTimestamp64Milli(recorded_at)), source, basis,
        toString(toInt64(round(ratio * 1000000))), ifNull(toString(toInt32(valid_to)), ''), origin)), 1, 8))) AS digest
FROM target FINAL
GROUP BY region, day
