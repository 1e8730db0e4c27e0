-- Of some sources and the regions that they speak for: how many gaps lay between two of their reports in the last year, and the
-- length that `part` of `whole` of them don't exceed. Two reports of one time are one. Milliseconds.
WITH
said AS
(
    SELECT source, region, groupArray(toUnixTimestamp64Milli(occurred_at)) AS times
    FROM source_report
    WHERE (region, source) IN %(pairs)s
        AND occurred_at BETWEEN fromUnixTimestamp64Milli(toInt64(%(since_ms)s), 'UTC')
            AND fromUnixTimestamp64Milli(toInt64(%(now_ms)s), 'UTC')
    GROUP BY region, source
),
-- include gaps
SELECT
    source,
    region,
    length(lengths) AS gaps,
    if(empty(lengths), 0, arraySort(lengths)[intDiv(length(lengths) * %(part)s + %(whole)s - 1, %(whole)s)]) AS longest_ms
FROM said
