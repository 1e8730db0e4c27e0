-- By the day of recording: a count that was released has no other moment.
SELECT event_id, region, toDate(recorded_at, 'Asia/Jakarta') AS day, cityHash64('denominator', recorded_at) AS copy
FROM denominator
{where}
UNION ALL
SELECT event_id, region, toDate(recorded_at, 'Asia/Jakarta') AS day, cityHash64('target', recorded_at) AS copy
FROM target
{where}
UNION ALL
SELECT event_id, region, toDate(recorded_at, 'Asia/Jakarta') AS day, cityHash64('figure', recorded_at) AS copy
FROM figure
{where}
