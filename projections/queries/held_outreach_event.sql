SELECT event_id, service_region AS region, toDate(occurred_at, 'Asia/Jakarta') AS day, cityHash64(occurred_at) AS copy
FROM outreach_event
{where}
