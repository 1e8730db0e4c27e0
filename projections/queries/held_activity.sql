SELECT event_id, domicile AS region, day, cityHash64(service_region, occurred_at) AS copy
FROM activity
{where}
