SELECT
    region,
    toDate(occurred_at, 'Asia/Jakarta') AS day,
    count() AS count,
    groupBitXor(reinterpretAsUInt64(substring(MD5(concatWithSeparator('|',
        lower(hex(event_id)), type, toString(toUnixTimestamp64Milli(occurred_at)),
        toString(toUnixTimestamp64Milli(recorded_at)), source, lower(hex(alert_id)), kind, subject,
        if(type = 'AlertAcknowledged', '', toString(toUnixTimestamp64Milli(since))),
        toString(toInt64(round(measured * 1000000))), toString(toInt64(round(threshold * 1000000))), reason,
        acknowledged_by)), 1, 8))) AS digest
FROM alert_event FINAL
GROUP BY region, day
