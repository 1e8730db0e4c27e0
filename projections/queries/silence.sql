-- What each source has said of each region within one, of the region itself and of those above it: last report, and the
-- lengths of its silences of the last year against the present one. Two reports of one time are one. Times in
-- milliseconds. Read by key: the reports of these regions. The levels within are ranges, see `ranges_within`.
WITH
said AS
(
    SELECT
        source,
        region,
        max(complete_until) AS complete_until,
        argMax(events_sent, (occurred_at, event_id)) AS events_sent,
        max(toUnixTimestamp64Milli(occurred_at)) AS reported_ms,
        groupArrayIf(
            toUnixTimestamp64Milli(occurred_at),
            toUnixTimestamp64Milli(occurred_at) >= %(now_ms)s - %(year_ms)s) AS times
    FROM source_report
    WHERE (region IN %(above)s
            OR region BETWEEN %(low_2)s AND %(high_2)s
            OR region BETWEEN %(low_4)s AND %(high_4)s
            OR region BETWEEN %(low_6)s AND %(high_6)s
            OR region BETWEEN %(low_10)s AND %(high_10)s)
        AND toUnixTimestamp64Milli(occurred_at) <= %(now_ms)s
    GROUP BY region, source
    SETTINGS optimize_aggregation_in_order = 1
),
-- include gaps
SELECT
    source,
    region,
    reported_ms,
    toUnixTimestamp64Milli(complete_until) AS complete_ms,
    events_sent,
    length(lengths) AS gaps,
    arrayCount(each -> each > %(now_ms)s - reported_ms, lengths) AS longer,
    if(empty(lengths), 0, arraySort(lengths)[intDiv(length(lengths) + 1, 2)]) AS median_ms
FROM said
ORDER BY source, region
