-- The events of a slice of people, through the worker's own door. Ids are UUIDv7; offices are open eight hours a day.
INSERT INTO activation_in
WITH
    arrayConcat(
        [('Activated', day, village, 0)],
        if(kind = 'ends', [('Deactivated', later, village, 0)], []),
        if(kind = 'moves', [('SubjectDeparted', later, village, other), ('SubjectArrived', later, other, village)], []))
        AS events,
    toUInt64(toUnixTimestamp(toDateTime(event.2, 'UTC'))) * 1000 + 3600000 + modulo(sipHash64(more), 28800000) + n AS at_ms
SELECT
    toFixedString(concat(
        reinterpretAsFixedString(byteSwap(bitOr(bitShiftLeft(at_ms, 16), 0x7000 + bitAnd(more, 0xFFF)))),
        reinterpretAsFixedString(byteSwap(bitOr(bitShiftLeft(toUInt64(2), 62), bitShiftRight(sipHash64(draw, n), 2))))), 16)
        AS event_id,
    event.1 AS type,
    fromUnixTimestamp64Milli(toInt64(at_ms), 'UTC') AS occurred_at,
    occurred_at + 2 AS recorded_at,
    concat('synthetic/dukcapil-', toString(service_region)) AS source,
    intDiv(event.3, 1000000) AS service_region,
    event.3 AS domicile,
    subject_id,
    ['from_17_to_24', 'from_25_to_34', 'from_35_to_44', 'from_45_to_59'][modulo(draw, 4) + 1] AS age_band,
    ['female', 'male'][modulo(draw, 2) + 1] AS sex,
    ['office', 'village_office', 'jemput_bola', 'service_mall', 'online'][modulo(draw, 5) + 1] AS channel,
    ['android_old', 'android_recent', 'ios_recent'][modulo(draw, 3) + 1] AS device_class,
    toFixedString('', 16) AS outreach_id,
    '' AS step,
    if(type = 'Deactivated', 'new_phone', '') AS reason,
    event.4 AS counterpart,
    %(run)s AS run
FROM people.life(first = %(first)s, days = %(days)s, slice = %(slice)s, slices = %(slices)s)
ARRAY JOIN events AS event, arrayEnumerate(events) AS n
