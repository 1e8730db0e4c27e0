-- Webhooks that were not removed, with how sending goes and how much is parked.
SELECT
    w.name AS name,
    w.url AS url,
    w.topics AS topics,
    w.region AS region,
    w.types AS types,
    w.salt AS salt,
    w.epoch AS epoch,
    w.state AS state,
    w.reason AS reason,
    w.created_at AS created_at,
    w.change AS change,
    s.failing_since AS failing_since,
    s.last_error AS last_error,
    p.parked AS parked
FROM (SELECT * FROM webhook FINAL) AS w
LEFT JOIN (SELECT * FROM webhook_status FINAL) AS s ON w.name = s.name AND w.epoch = s.epoch
LEFT JOIN
(
    SELECT name, count() AS parked FROM webhook_parked FINAL WHERE NOT settled GROUP BY name
) AS p ON w.name = p.name
WHERE w.state != 'removed'
ORDER BY name
