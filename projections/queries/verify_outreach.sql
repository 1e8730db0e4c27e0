SELECT
    service_region AS region,
    toDate(occurred_at, 'Asia/Jakarta') AS day,
    count() AS count,
    groupBitXor(reinterpretAsUInt64(substring(MD5(concatWithSeparator('|',
        lower(hex(event_id)), type, toString(toUnixTimestamp64Milli(occurred_at)), source, lower(hex(outreach_id)),
        kind, place, ifNull(toString(toInt32(planned_for)), ''), toString(team_size),
        toString(toInt64(round(hours * 1000000))), toString(reached),
        toString(registered), toString(activated), reason, medium)), 1, 8))) AS digest
FROM outreach_event FINAL
GROUP BY region, day
