-- The lengths of the silences of some sources about some regions, of the last year, against the present one; and how many
-- events the last report tells of. Two reports of one time are one. Times in milliseconds. Read by key.
WITH
said AS
(
    SELECT
        source,
        region,
        argMax(events_sent, (occurred_at, event_id)) AS events_sent,
        max(toUnixTimestamp64Milli(occurred_at)) AS reported_ms,
        groupArrayIf(
            toUnixTimestamp64Milli(occurred_at),
            toUnixTimestamp64Milli(occurred_at) >= %(now_ms)s - %(year_ms)s) AS times
    FROM source_report
    WHERE (region, source) IN %(whom)s AND toUnixTimestamp64Milli(occurred_at) <= %(now_ms)s
    GROUP BY region, source
    SETTINGS optimize_aggregation_in_order = 1
),
-- include gaps
SELECT
    source,
    region,
    events_sent,
    length(lengths) AS gaps,
    arrayCount(each -> each > %(now_ms)s - reported_ms, lengths) AS longer,
    if(empty(lengths), 0, arraySort(lengths)[intDiv(length(lengths) + 1, 2)]) AS median_ms
FROM said
