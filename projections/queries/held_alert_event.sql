SELECT event_id, region, toDate(occurred_at, 'Asia/Jakarta') AS day, cityHash64(occurred_at) AS copy
FROM alert_event
{where}
