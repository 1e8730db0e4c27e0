-- One row a person of a slice: activated on `day`; of a hundred, four are deactivated and four move to the village
-- `other`, on `later`. All is drawn from hashes: a slice read again is the same.
CREATE VIEW people.life AS
WITH
    (SELECT groupArray(code) FROM (SELECT code FROM people.village ORDER BY number)) AS codes,
    greatest(length(codes), 2) AS villages  -- the view is looked at before the codes are read
SELECT
    CAST(sipHash128(code, k), 'FixedString(16)') AS subject_id,
    sipHash64(code, k) AS draw,
    sipHash64(draw) AS more,
    code AS village,
    codes[modulo(number + 1 + modulo(more, villages - 1), villages) + 1] AS other,
    {first:Date} + toUInt32(({slice:UInt32} + draw / exp2(64)) * {days:UInt32} / {slices:UInt32}) AS day,
    day + 1 + toUInt32(modulo(more, 120)) AS later,
    multiIf(later >= {first:Date} + {days:UInt32}, 'stays',
        modulo(draw, 25) = 0, 'ends', modulo(draw, 25) = 1, 'moves', 'stays') AS kind
FROM people.village
ARRAY JOIN range({slice:UInt32}, people, {slices:UInt32}) AS k
