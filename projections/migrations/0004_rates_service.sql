-- Events by minute, village of domicile and channel, for live rates.
CREATE TABLE rate_minute
(
    minute DateTime('UTC'),
    region UInt64,
    channel LowCardinality(String),
    events UInt64,
    registered UInt64,
    activated UInt64,
    failed UInt64,
    deactivated UInt64,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (minute, region, channel);

-- Work done by office region and day, whomever it was done for. Not coverage: an office that serves outsiders is
-- credited here and not there.
CREATE TABLE service_day
(
    region UInt64,
    day Date,
    events UInt64,
    registered UInt64,
    verified UInt64,
    activated UInt64,
    failed UInt64,
    outsiders_activated UInt64,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (region, day);
