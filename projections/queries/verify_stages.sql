-- A count and a digest of people by how far they have come, by village and day. An erased person's hash is left
-- out, and how often all was staged anew.
SELECT
    village AS region,
    day,
    count() AS count,
    groupBitXor(reinterpretAsUInt64(substring(MD5(concatWithSeparator('|',
        if(subject_id IN (SELECT subject_hash FROM erased), '', lower(hex(subject_id))),
        toString(toUInt8(counts)),
        toString(toUnixTimestamp64Milli(entered_at)),
        ifNull(toString(toUnixTimestamp64Milli(registered_at)), ''),
        ifNull(toString(toUnixTimestamp64Milli(face_at)), ''),
        ifNull(toString(toUnixTimestamp64Milli(qr_at)), ''),
        ifNull(toString(toUnixTimestamp64Milli(activated_at)), ''),
        ifNull(toString(toUnixTimestamp64Milli(used_at)), ''),
        toString(toUInt8(kept)),
        toString(bitAnd(version, bitShiftLeft(toUInt64(1), 40) - 1)))), 1, 8))) AS digest
FROM person_stage FINAL
GROUP BY region, day
