-- Counts of people for every region, on two bases, every half year.
INSERT INTO denominator (event_id, recorded_at, source, region, basis, vintage, value, origin, method)
SELECT
    CAST(sipHash128(region, basis, vintage), 'FixedString(16)'),
    toDateTime64(vintage, 3, 'UTC'),
    'synthetic/denominators',
    region,
    basis,
    vintage,
    greatest(1, sum(people) * if(basis = 'recorded', 3, 4)),
    'made for a measurement',
    ''
FROM people.village
ARRAY JOIN [code, intDiv(code, 10000), intDiv(code, 1000000), intDiv(code, 100000000), 0] AS region
CROSS JOIN (SELECT arrayJoin(['recorded', 'population']) AS basis) AS b
CROSS JOIN (SELECT addMonths(toDate32(%(first)s), 6 * arrayJoin([0, 1, 2, 3])) AS vintage) AS v
GROUP BY region, basis, vintage
