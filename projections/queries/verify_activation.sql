-- An erased person's hash is left out: the log knows the pseudonym, and nothing leads from the one to the other.
-- A count and an order-free digest of the event base, by village and day: what a recount from the log must get too.
SELECT
    domicile AS region,
    toDate(occurred_at, 'Asia/Jakarta') AS day,
    count() AS count,
    groupBitXor(reinterpretAsUInt64(substring(MD5(concatWithSeparator('|',
        lower(hex(event_id)), type, toString(toUnixTimestamp64Milli(occurred_at)),
        toString(toUnixTimestamp64Milli(recorded_at)), source, toString(service_region), toString(domicile),
        if(subject_id IN (SELECT subject_hash FROM erased), '', lower(hex(subject_id))), age_band, sex, channel, device_class, lower(hex(outreach_id)), step, reason,
        toString(counterpart))), 1, 8))) AS digest
FROM activation_event FINAL
GROUP BY region, day
