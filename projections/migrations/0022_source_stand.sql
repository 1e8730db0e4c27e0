-- When each source has first and last spoken of a region, and up to when it vouches that it has sent everything. Sources
-- report every few minutes: what nearly every answer has to know is a row a source and region here, not a year of reports.
-- Least and greatest: repeating a report changes nothing.
CREATE TABLE source_stand
(
    region UInt64,
    source LowCardinality(String),
    first_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    reported_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    complete_until SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (region, source);

CREATE MATERIALIZED VIEW source_report_to_stand TO source_stand AS
SELECT
    region,
    source,
    min(r.occurred_at) AS first_at,
    max(r.occurred_at) AS reported_at,
    max(r.complete_until) AS complete_until
FROM source_report AS r
GROUP BY region, source;

-- After the view, so that nothing passes in between.
INSERT INTO source_stand (region, source, first_at, reported_at, complete_until)
SELECT region, source, min(r.occurred_at), max(r.occurred_at), max(r.complete_until)
FROM source_report AS r
GROUP BY region, source;
