-- Every regency's source reports every quarter of an hour, for a year up to a day.
INSERT INTO source_report
SELECT
    concat('synthetic/dukcapil-', toString(regency)) AS source,
    regency AS region,
    fromUnixTimestamp64Milli(toInt64(%(end_ms)s) - toInt64(quarter) * 900000, 'UTC') AS occurred_at,
    CAST(sipHash128(regency, quarter), 'FixedString(16)') AS event_id,
    100 AS events_sent,
    occurred_at - 60 AS complete_until
FROM (SELECT DISTINCT intDiv(code, 1000000) AS regency FROM people.village)
ARRAY JOIN range(365 * 96) AS quarter
