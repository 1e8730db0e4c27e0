-- The last report of every source, with the regions it speaks for.
SELECT
    source,
    max(r.occurred_at) AS reported_at,
    max(r.complete_until) AS complete_until,
    max(r.events_sent) AS events_sent,
    arraySort(groupUniqArray(r.region)) AS regions
FROM source_report AS r
WHERE (source, event_id) IN (
    SELECT source, argMax(event_id, (occurred_at, event_id)) FROM source_report GROUP BY source)
GROUP BY source
ORDER BY source
