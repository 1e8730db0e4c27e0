-- Which regions a recompute touched: what the publisher of changed answers looks at next. Not a record: the answers are
-- compared with the ones published last, so it may be lost, and it goes after two days.
CREATE TABLE coverage_changed
(
    run UInt64,
    region UInt64,
    at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (at, run, region)
TTL toDateTime(at) + INTERVAL 2 DAY;
