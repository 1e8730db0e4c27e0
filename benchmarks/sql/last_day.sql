-- What a nation does in a day and some hours up to now, through the worker's own door: people who are new, spread over the
-- villages as the stored ones are.
INSERT INTO activation_in
WITH
    (SELECT greatest(1, intDiv(sum(people), toUInt64(%(events)s))) FROM people.village) AS every,
    sipHash64(draw) AS more,
    toInt64(%(end_ms)s) - toInt64(modulo(more, toUInt64(%(seconds)s) * 1000)) AS at_ms
SELECT
    toFixedString(concat(
        reinterpretAsFixedString(byteSwap(bitOr(bitShiftLeft(toUInt64(at_ms), 16), 0x7000 + bitAnd(more, 0xFFF)))),
        reinterpretAsFixedString(byteSwap(bitOr(bitShiftLeft(toUInt64(2), 62), bitShiftRight(sipHash64(more), 2))))), 16)
        AS event_id,
    ['ActivationRegistered', 'FaceVerified', 'QrVerified', 'Activated', 'AttemptFailed', 'FirstUsed'][modulo(draw, 6) + 1]
        AS type,
    fromUnixTimestamp64Milli(at_ms, 'UTC') AS occurred_at,
    occurred_at + 2 AS recorded_at,
    concat('synthetic/dukcapil-', toString(service_region)) AS source,
    intDiv(code, 1000000) AS service_region,
    code AS domicile,
    CAST(sipHash128('last day', code, k), 'FixedString(16)') AS subject_id,
    ['from_17_to_24', 'from_25_to_34', 'from_35_to_44', 'from_45_to_59'][modulo(more, 4) + 1] AS age_band,
    ['female', 'male'][modulo(more, 2) + 1] AS sex,
    ['office', 'village_office', 'jemput_bola', 'service_mall', 'online'][modulo(draw, 5) + 1] AS channel,
    ['android_old', 'android_recent', 'ios_recent'][modulo(draw, 3) + 1] AS device_class,
    toFixedString('', 16) AS outreach_id,
    if(type = 'AttemptFailed', 'face_match', '') AS step,
    if(type = 'AttemptFailed', 'no_connectivity', '') AS reason,
    0 AS counterpart,
    %(run)s AS run
FROM
(
    SELECT code, k, sipHash64('last day', code, k) AS drawn, intDiv(drawn, every) AS draw
    FROM people.village
    ARRAY JOIN range(people) AS k
    WHERE modulo(drawn, every) = 0
)
