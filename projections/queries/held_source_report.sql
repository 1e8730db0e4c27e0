-- A report speaks for several regions, one row each: it is counted once, under the nation.
SELECT event_id, toUInt64(0) AS region, toDate(occurred_at, 'Asia/Jakarta') AS day, cityHash64(occurred_at) AS copy
FROM source_report
{where}
