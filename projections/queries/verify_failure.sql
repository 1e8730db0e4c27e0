-- A count and a digest of failed attempts, by village and day.
SELECT
    village AS region,
    day,
    count() AS count,
    groupBitXor(reinterpretAsUInt64(substring(MD5(concatWithSeparator('|',
        lower(hex(event_id)), toString(toUnixTimestamp64Milli(recorded_at)), reason, step, channel, age_band,
        device_class)), 1, 8))) AS digest
FROM failure FINAL
GROUP BY region, day
