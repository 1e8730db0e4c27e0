-- Differences between log and tables that are open, by topic and by the province that they are in; of the nation 0.
SELECT
    topic,
    toUInt64(substring(toString(d.region), 1, 2)) AS region,
    count() AS events,
    min(toUnixTimestamp64Milli(d.found_at)) AS since_ms
FROM integrity_difference AS d FINAL
WHERE open
GROUP BY topic, region
