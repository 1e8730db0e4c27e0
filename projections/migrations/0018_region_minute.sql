-- Events by region of every level, minute and channel, in place of rate_minute, which held villages, by minute first: the
-- nation's day was a read of everything that had happened in it, 430,000 rows, and a village's too. With rows of their own
-- and the region first, a window of any region is a read by key of its own minutes.
CREATE TABLE region_minute
(
    region UInt64,
    minute DateTime('UTC'),
    channel LowCardinality(String),
    events UInt64,
    registered UInt64,
    activated UInt64,
    failed UInt64,
    deactivated UInt64,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (region, minute, channel)
TTL minute + INTERVAL 12 DAY
SETTINGS index_granularity = 1024;

-- Before the new table is filled: a worker of the version before then stops at its next recompute with its batches not
-- acknowledged, and the new one takes them in again. What it did acknowledge is in `activity`.
DROP TABLE rate_minute;

INSERT INTO region_minute (region, minute, channel, events, registered, activated, failed, deactivated, version)
SELECT
    region,
    toStartOfMinute(occurred_at) AS minute,
    channel,
    count(),
    countIf(type = 'ActivationRegistered'),
    countIf(type = 'Activated'),
    countIf(type = 'AttemptFailed'),
    countIf(type = 'Deactivated'),
    count()
FROM
(
    SELECT occurred_at, channel, type, domicile
    FROM activity FINAL
    WHERE day >= toDate(now() - INTERVAL 10 DAY, 'Asia/Jakarta') AND occurred_at >= now() - INTERVAL 10 DAY
)
ARRAY JOIN
    arrayDistinct([domicile, intDiv(domicile, 10000), intDiv(domicile, 1000000), intDiv(domicile, 100000000), 0]) AS region
GROUP BY region, minute, channel;
